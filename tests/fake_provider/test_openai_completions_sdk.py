"""What the official openai SDK reads of `openai_completions`, unmodified."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given

from tests.fake_provider.asks import stream_of
from tests.fake_provider.in_process import InProcess
from tests.script_strategies import scripts
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires.openai_completions import FINISH_REASONS

fake = InProcess()
client = openai.OpenAI(base_url="http://fake.test/v1", api_key="k", http_client=fake.client(httpx2), max_retries=0)


def expected(script: Script) -> list[tuple[str, str]]:
    """Text and finish reason of each choice."""
    return [
        ("".join(item.text for item in choice.items if isinstance(item, Text)), FINISH_REASONS[choice.ended])
        for choice in script.choices
    ]


def check_usage(usage: Any, script: Script) -> None:
    """The counts are the script's."""
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == counts[:3]
    assert usage.prompt_tokens_details.cached_tokens == counts.cached


@given(scripts("openai_completions"))
def test_openai_reads_every_stream(script: Script) -> None:
    """The SDK's chunks add up to the script: all choices, reasons and usage."""
    fake.script = script
    texts = [""] * len(script.choices)
    reasons: list[str | None] = [None] * len(script.choices)
    usages = []
    stream = client.completions.create(model="m", prompt="Hi", stream=True, stream_options={"include_usage": True})
    for chunk in stream:
        assert chunk.object == "text_completion"
        assert chunk.model == (script.model or "m")
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
        if chunk.usage is not None:
            assert chunk.choices == []
            usages.append(chunk.usage)
    assert list(zip(texts, reasons, strict=True)) == expected(script)
    (usage,) = usages
    check_usage(usage, script)


@given(scripts("openai_completions"))
def test_openai_reads_every_complete_response(script: Script) -> None:
    """The same script without streaming."""
    fake.script = script
    completion = client.completions.create(model="m", prompt="Hi")
    assert [choice.index for choice in completion.choices] == list(range(len(script.choices)))
    assert [(choice.text, choice.finish_reason) for choice in completion.choices] == expected(script)
    check_usage(completion.usage, script)


def test_each_prompt_of_a_list_is_answered_n_times() -> None:
    """A script of one choice answers them all; tokens in an array are one prompt."""
    fake.script = Script.of("One")
    assert len(client.completions.create(model="m", prompt=["a", "b"], n=2).choices) == 4
    assert len(client.completions.create(model="m", prompt=[[1, 2], [3]]).choices) == 2
    assert len(client.completions.create(model="m", prompt=[1, 2]).choices) == 1


def test_usage_is_only_sent_when_asked_for_or_reported() -> None:
    """Without include_usage no chunk has usage; with report=False not even a whole answer."""
    fake.script = Script.of("Hi")
    assert all(chunk.usage is None for chunk in client.completions.create(model="m", prompt="Hi", stream=True))
    fake.script = Script.of("Hi", usage=Usage(report=False))
    assert client.completions.create(model="m", prompt="Hi").usage is None


@pytest.mark.parametrize("stream", [False, True])
def test_http_errors_become_the_sdks_exceptions(stream: bool) -> None:
    """An error of the script raises the SDK's own exception."""
    fake.script = Script.of(error=Error(429, "Told so."))
    with pytest.raises(openai.RateLimitError, match=r"Told so\."):
        client.completions.create(model="m", prompt="Hi", stream=stream)


def test_an_error_inside_the_stream_is_raised_after_what_came_before() -> None:
    """The deltas arrive, then the SDK raises."""
    fake.script = Script.of("Half an answ", error=Error(500, "It broke.", in_stream=True))
    chunks: list[Any] = []
    with pytest.raises(openai.APIError, match=r"It broke\."):
        chunks.extend(iter(client.completions.create(model="m", prompt="Hi", stream=True)))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Half an answ"


@pytest.mark.parametrize(("item", "what"), [(Reasoning("Hm."), "reasoning"), (ToolCall("f"), "tool call")])
def test_what_is_not_text_is_refused_by_name(item: Any, what: str) -> None:
    """Reasoning and tool calls are an error that names them; a refusal is text."""
    with pytest.raises(ScriptError, match=f"has text only: leave the {what} out"):
        stream_of("openai_completions", Script.of("Hi", item))
    assert '"text":"No"' in stream_of("openai_completions", Script.of(Refusal("No")))


def test_over_a_socket(server: FakeProviderServer, session: Session) -> None:
    """The same through the running server."""
    session.push(Script.of("Hello there"))
    with openai.OpenAI(base_url=server.base_url("openai_completions", session.id), api_key="sk-secret") as over_socket:
        stream = over_socket.completions.create(model="m", prompt="Hi", stream=True)
        assert "".join(chunk.choices[0].text for chunk in stream) == "Hello there"
