"""What the official SDKs read of `openai_chat`: openai, groq and mistralai, unmodified."""

from __future__ import annotations

import re
from typing import Any

import groq
import httpx
import httpx2
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from mistralai.client import Mistral

from tests.fake_provider.in_process import InProcess
from tests.script_strategies import scripts
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.wires.openai_choices import FINISH_REASONS

BASE = "http://fake.test"
MESSAGES: Any = [{"role": "user", "content": "Say something nice."}]
few = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

fake = InProcess()
openai_client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="k", http_client=fake.client(httpx2), max_retries=0)
groq_client = groq.Groq(base_url=BASE, api_key="k", http_client=fake.client(httpx), max_retries=0)
mistral_client = Mistral(server_url=BASE, api_key="k", client=fake.client(httpx2))


def joined(choice: Choice, kind: type[Text | Reasoning | Refusal]) -> str:
    return "".join(item.text for item in choice.items if isinstance(item, kind))


def shown_text(choice: Choice) -> str:
    return "".join(item.text for item in choice.items if isinstance(item, Text | Refusal))


def calls(choice: Choice) -> list[tuple[str, str]]:
    return [(item.name, item.arguments) for item in choice.items if isinstance(item, ToolCall)]


def ids_fit(choice: Choice, ids: list[str], pattern: str) -> bool:
    given_ids = [item.id for item in choice.items if isinstance(item, ToolCall)]
    return all(
        one == wanted if wanted else re.fullmatch(pattern, one) for one, wanted in zip(ids, given_ids, strict=True)
    )


def usage_of(script: Script) -> tuple[int, ...]:
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    return (counts.input, counts.output, counts.total, counts.cached, counts.reasoning)


class DecodedResponse:
    """What a client has read of one choice."""

    def __init__(self) -> None:
        self.text = self.reasoning = self.refusal = ""
        self.calls: dict[int, list[str]] = {}
        self.finish_reasons: list[str] = []

    def add(self, delta: Any) -> None:
        """Fold one delta of the SDK in."""
        content = getattr(delta, "content", None) or ""
        if isinstance(content, list):  # Mistral's
            self.reasoning += "".join(inner.text for part in content for inner in getattr(part, "thinking", None) or ())
            content = "".join(part.text for part in content if hasattr(part, "text"))
        self.text += content
        extra = getattr(delta, "model_extra", None) or {}
        for name in ("reasoning", "reasoning_content"):
            self.reasoning += getattr(delta, name, None) or extra.get(name) or ""
        self.refusal += getattr(delta, "refusal", None) or extra.get("refusal") or ""
        for call in getattr(delta, "tool_calls", None) or ():
            if call.index not in self.calls:
                self.calls[call.index] = [call.id, call.function.name, ""]
            self.calls[call.index][2] += call.function.arguments or ""


def check(received: DecodedResponse, choice: Choice, *, refuses: bool = True, call_id: str = "call_.{24}") -> None:
    """`refuses` where there is a place for refusals, and else they are text."""
    if refuses:
        assert (received.text, received.refusal) == (joined(choice, Text), joined(choice, Refusal))
    else:
        assert (received.text, received.refusal) == (shown_text(choice), "")
    assert received.reasoning == joined(choice, Reasoning)
    assert [(name, arguments) for _, name, arguments in received.calls.values()] == calls(choice)
    assert list(received.calls) == list(range(len(received.calls)))
    assert ids_fit(choice, [one for one, _, _ in received.calls.values()], call_id)
    assert received.finish_reasons == [FINISH_REASONS[choice.ended]]


@few
@given(scripts("openai_chat"))
def test_openai_reads_every_stream(script: Script) -> None:
    """The openai SDK's chunks add up to the script: all choices, tool calls, reasons and usage."""
    fake.script = script
    received = [DecodedResponse() for _ in script.choices]
    usages = []
    stream = openai_client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        assert chunk.object == "chat.completion.chunk"
        assert chunk.model == (script.model or "m")
        for choice in chunk.choices:
            received[choice.index].add(choice.delta)
            if choice.finish_reason:
                received[choice.index].finish_reasons.append(choice.finish_reason)
        if chunk.usage is not None:
            assert chunk.choices == []
            usages.append(chunk.usage)
    for one, choice in zip(received, script.choices, strict=True):
        check(one, choice)
    (usage,) = usages
    assert usage_of(script) == (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        usage.prompt_tokens_details.cached_tokens,
        usage.completion_tokens_details.reasoning_tokens,
    )


@few
@given(scripts("openai_chat", max_choices=1))
def test_openais_stream_helper_reads_every_stream(script: Script) -> None:
    """The `.stream()` helper, which is stricter, rebuilds the final message."""
    fake.script = script
    (choice,) = script.choices
    with openai_client.chat.completions.stream(model="m", messages=MESSAGES) as stream:
        for _ in stream:
            pass
        snapshot = stream.current_completion_snapshot
    message = snapshot.choices[0].message
    assert (message.content or "") == joined(choice, Text)
    assert (message.refusal or "") == joined(choice, Refusal)
    assert [(call.function.name, call.function.arguments) for call in message.tool_calls or ()] == calls(choice)


@few
@given(scripts("openai_chat"))
def test_openai_reads_every_complete_response(script: Script) -> None:
    """The same script without streaming."""
    fake.script = script
    completion = openai_client.chat.completions.create(model="m", messages=MESSAGES)
    assert completion.object == "chat.completion"
    assert [choice.index for choice in completion.choices] == list(range(len(script.choices)))
    for answer, choice in zip(completion.choices, script.choices, strict=True):
        message = answer.message
        assert (message.content or "") == joined(choice, Text)
        assert (message.refusal or "") == joined(choice, Refusal)
        assert (message.model_extra or {}).get("reasoning_content", "") == joined(choice, Reasoning)
        called = message.tool_calls or []
        assert [(call.function.name, call.function.arguments) for call in called] == calls(choice)
        assert ids_fit(choice, [call.id for call in called], "call_.{24}")
        assert answer.finish_reason == FINISH_REASONS[choice.ended]
    assert completion.usage is not None
    assert usage_of(script)[:3] == (
        completion.usage.prompt_tokens,
        completion.usage.completion_tokens,
        completion.usage.total_tokens,
    )


@few
@given(scripts("openai_chat"))
def test_groq_reads_every_script(script: Script) -> None:
    """The groq SDK (httpx, the path /openai/v1) reads both forms, in Groq's dialect."""
    fake.script = script
    received = [DecodedResponse() for _ in script.choices]
    usage = None
    for chunk in groq_client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
        usage = chunk.x_groq.usage if chunk.x_groq is not None else usage
        for choice in chunk.choices:
            received[choice.index].add(choice.delta)
            if choice.finish_reason:
                received[choice.index].finish_reasons.append(choice.finish_reason)
    for one, choice in zip(received, script.choices, strict=True):
        check(one, choice, refuses=False, call_id="[0-9a-z]{9}")
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == usage_of(script)[:3]
    completion = groq_client.chat.completions.create(model="m", messages=MESSAGES)
    assert [answer.message.content or "" for answer in completion.choices] == list(map(shown_text, script.choices))
    assert [answer.message.reasoning or "" for answer in completion.choices] == [
        joined(choice, Reasoning) for choice in script.choices
    ]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == usage_of(script)[1]


@few
@given(scripts("openai_chat"))
def test_mistral_reads_every_script(script: Script) -> None:
    """The mistralai SDK reads both forms, in Mistral's dialect: thoughts are parts of the content."""
    fake.script = script
    received = [DecodedResponse() for _ in script.choices]
    usage = None
    stream = mistral_client.chat.stream(model="mistral-small-latest", messages=MESSAGES)
    for event in stream:
        for choice in event.data.choices:
            received[choice.index].add(choice.delta)
            if choice.finish_reason:
                received[choice.index].finish_reasons.append(str(choice.finish_reason))
        usage = event.data.usage or usage
    for one, choice in zip(received, script.choices, strict=True):
        check(one, choice, refuses=False, call_id="[0-9A-Za-z]{9}")
    completion = mistral_client.chat.complete(model="mistral-small-latest", messages=MESSAGES)
    for answer, choice in zip(completion.choices, script.choices, strict=True):
        whole = DecodedResponse()
        whole.add(answer.message)
        assert (whole.text, whole.reasoning) == (shown_text(choice), joined(choice, Reasoning))
    assert completion.usage.completion_tokens == usage_of(script)[1]


def test_a_script_of_one_choice_answers_each_of_n() -> None:
    """`n` gives n choices, and their deltas take turns."""
    fake.script = Script.of("One two", ToolCall.of("f"))
    stream = openai_client.chat.completions.create(model="m", messages=MESSAGES, stream=True, n=2)
    order = [(choice.index, choice.delta.content) for chunk in stream for choice in chunk.choices]
    assert order[:6] == [(0, ""), (1, ""), (0, "One"), (1, "One"), (0, " two"), (1, " two")]
    completion = openai_client.chat.completions.create(model="m", messages=MESSAGES, n=2)
    first, second = (choice.message.tool_calls[0].id for choice in completion.choices if choice.message.tool_calls)
    assert first != second


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (413, openai.APIStatusError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_http_errors_become_the_sdks_exceptions(status: int, raised: type[openai.APIStatusError], stream: bool) -> None:
    """Each status raises the SDK's own exception with message, type, request id and retry-after."""
    fake.script = Script.of(error=Error(status, "Told so.", retry_after=1.5))
    with pytest.raises(raised) as caught:
        openai_client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
    error = caught.value
    assert error.status_code == status
    assert isinstance(error.body, dict)
    assert error.body["message"] == "Told so."
    assert error.type
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    assert error.response.headers["retry-after"] == "1.5"


def test_an_error_inside_the_stream_is_raised_after_what_came_before() -> None:
    """The deltas arrive, then the SDK raises; no choice has finished."""
    fake.script = Script.of("Half an answ", error=Error(500, "It broke.", in_stream=True))
    chunks = []
    stream = openai_client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError, match=r"It broke\."):
        chunks.extend(iter(stream))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Half an answ"
    assert not any(chunk.choices[0].finish_reason for chunk in chunks)


def test_usage_is_only_sent_when_asked_for_or_reported() -> None:
    """Without include_usage no chunk has usage; with report=False not even then."""
    fake.script = Script.of("Hi")
    chunks = list(openai_client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    fake.script = Script.of("Hi", usage=Usage(report=False))
    options: Any = {"include_usage": True}
    stream = openai_client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options)
    assert all(chunk.usage is None and chunk.choices for chunk in stream)
    assert openai_client.chat.completions.create(model="m", messages=MESSAGES).usage is None
