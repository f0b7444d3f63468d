"""Dresses of `openai_chat`: what each provider's official SDK and the library read of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import groq
import httpx2
import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistralai.client import Mistral

from tests.case_notes import case
from tests.corpus import items
from tests.script_strategies import scripts
from tokentape import stream_bytes
from tokentape.wires import wire_named as decoder_named
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import UnknownDialectError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.timing import Instant, Recorded
from tokentape_fake_provider.wires import ProviderRequest, wire_named
from tokentape_fake_provider.wires.openai_dialects import DialectName, dialect_named

DIALECTS: tuple[str, ...] = get_args(DialectName)
QUESTION: Any = [{"role": "user", "content": "Hello?"}]
SCRIPT = Script.of(
    Reasoning("Let me see."),
    "Hello there",
    ToolCall("look", '{"a": 1}', "call_1"),
    usage=Usage(input=20, output=9, cached=5, reasoning=4),
)


def ask(dialect: str, *, stream: bool = True, choices: int = 1) -> ProviderRequest:
    """A request that has this dialect."""
    body: dict[str, Any] = {"model": "m", "messages": QUESTION, "n": choices}
    body |= {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    request = wire_named("openai_chat").read("/v1/chat/completions", body, created=1_790_000_000, seed="dialect")
    return msgspec.structs.replace(request, dialect=dialect)


def chunks(body: bytes) -> list[dict[str, Any]]:
    """The JSON chunks of a stream."""
    lines = [line[6:] for line in body.split(b"\n\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@given(script=scripts("openai_chat"), piece=st.sampled_from((None, 1, 50)))
def test_the_library_hears_every_script_in_every_dialect(stream: bool, script: Script, piece: int | None) -> None:
    """Text, reasoning, calls, ends and usage come through whatever the dialect; a refusal may be text."""
    for dialect in DIALECTS:
        with case(dialect):
            check_dialect(dialect, stream, script, piece)


def check_dialect(dialect: str, stream: bool, script: Script, piece: int | None) -> None:
    """Encode a script in a dialect and compare what the library makes of it."""
    asked = ask(dialect, stream=stream, choices=len(script.choices))
    body = encode(script, asked, Instant()).body
    if stream:
        parts = [body] if piece is None else [body[at : at + piece] for at in range(0, len(body), piece)]
        iterator = stream_bytes(parts, "openai_chat")
        list(iterator)
        output = iterator.get_chat_output()
    else:
        output = decoder_named("openai_chat").decode_complete(body)
    assert len(output.messages) == len(script.choices)
    for message, choice in zip(output.messages, script.choices, strict=True):
        scripted = "".join(item.text for item in choice.items if isinstance(item, Text | Refusal))
        assert message.text + message.refusal == scripted
        assert message.reasoning == "".join(item.text for item in choice.items if isinstance(item, Reasoning))
        calls = [item for item in choice.items if isinstance(item, ToolCall)]
        assert [(call.name, call.raw_arguments) for call in message.tool_calls] == [
            (call.name, call.arguments) for call in calls
        ]
        assert all(
            received.id == call.id or not call.id for received, call in zip(message.tool_calls, calls, strict=True)
        )
        ended = choice.ended
        if ended in ("stop", "other"):  # calls and refusals are reported as such, whatever the provider's word
            ended = "tool_calls" if calls else "refusal" if message.refusal else ended
        assert message.finish_reason == ended
    for name in ("input", "output", "cached", "reasoning"):
        wanted = getattr(script.usage, name)
        if wanted is not None and (dialect, name) != ("mistral", "reasoning"):
            assert (getattr(output.usage, name) or 0) == wanted, name


@pytest.mark.parametrize(
    ("dialect", "wire_format"),
    [
        ("azure", "azure_openai_chat"),
        ("groq", "groq_chat"),
        ("mistral", "mistral_chat"),
        ("openrouter", "openrouter_chat"),
        ("deepseek", "deepseek_chat"),
        ("xai", "xai_chat"),
    ],
)
def test_a_dialect_has_only_fields_that_were_recorded(dialect: str, wire_format: str) -> None:
    """Each field of a chunk, a choice, a delta and usage was seen in a recorded stream of that provider."""
    recorded: set[str] = set()
    for item in items(wire_format):
        for chunk in chunks(item.body):
            recorded |= set(fields(chunk))
    encoded = {name for chunk in chunks(encode(SCRIPT, ask(dialect), Instant()).body) for name in fields(chunk)}
    unseen = encoded - recorded
    # No recording has Mistral's thinking parts; they are those of its SDK (`ThinkChunk`).
    assert {name for name in unseen if not name.startswith("choices.delta.content.")} == set()
    assert not unseen or dialect == "mistral"


def fields(value: Any, where: str = "") -> Iterator[str]:
    """The paths of all keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{where}{key}"
            yield from fields(inner, f"{where}{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, where)


def test_where_each_dialect_has_its_usage() -> None:
    """Usage stands beside the last choice, in a chunk of its own, or in both places, as the provider does it."""
    places = {}
    for dialect in DIALECTS:
        with_usage = [chunk for chunk in chunks(encode(SCRIPT, ask(dialect), Instant()).body) if chunk.get("usage")]
        places[dialect] = [
            "last" if chunk["choices"] and chunk["choices"][0].get("finish_reason") else "own" for chunk in with_usage
        ]
    assert places == {
        "openai": ["own"],
        "azure": ["own"],
        "groq": ["last", "own"],
        "mistral": ["last"],
        "openrouter": ["own"],
        "deepseek": ["last"],
        "xai": ["own"],
    }


def test_what_each_dialect_is_known_by() -> None:
    """The quirks that clients trip over are there."""
    body = {dialect: encode(SCRIPT, ask(dialect), Instant()).body for dialect in DIALECTS}
    assert "prompt_filter_results" in chunks(body["azure"])[0]
    assert chunks(body["azure"])[0]["choices"] == []
    assert all("content_filter_results" in chunk["choices"][0] for chunk in chunks(body["azure"])[1:-1])
    assert chunks(body["groq"])[0]["x_groq"]["id"].startswith("req_01")
    assert chunks(body["groq"])[-2]["x_groq"]["usage"]["completion_tokens"] == 9
    assert body["openrouter"].startswith(b": OPENROUTER PROCESSING\n\n")
    assert all(chunk["provider"] for chunk in chunks(body["openrouter"]))
    assert {chunk["choices"][0]["native_finish_reason"] for chunk in chunks(body["openrouter"])} == {None, "tool_calls"}
    assert chunks(body["openrouter"])[-1]["usage"]["cost"] > 0
    deepseek = chunks(body["deepseek"])[-1]["usage"]
    assert (deepseek["prompt_cache_hit_tokens"], deepseek["prompt_cache_miss_tokens"]) == (5, 15)
    xai = chunks(body["xai"])[-1]["usage"]
    assert (xai["completion_tokens"], xai["completion_tokens_details"]["reasoning_tokens"]) == (5, 4)
    assert xai["total_tokens"] == 29
    for dialect in ("groq", "mistral", "xai"):
        (call,) = [c for c in chunks(body[dialect]) if c["choices"] and c["choices"][0]["delta"].get("tool_calls")]
        assert call["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"a": 1}'


def test_a_whole_call_comes_when_its_last_fragment_was_to_come() -> None:
    """Where a dialect sends calls whole, a call keeps the time of its last piece and the tokens of all."""
    call = ToolCall("f", '{"a":1}', "c", ('{"a"', ":1}"), (100.0, 250.0))
    tape = encode(Script.of(call), ask("groq"), Recorded())
    times = [frame.at for frame in tape.frames if b"arguments" in frame.data]
    assert times == [250.0]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_errors_in_every_dialect(dialect: str) -> None:
    """An error, alone or inside a stream, is read as what it is."""
    for error in (Error(429, "Slow down.", retry_after=2), Error(503, "Busy.", in_stream=True)):
        script = Script.of("One", error=error)
        tape = encode(script, ask(dialect), Instant())
        if not error.in_stream:
            assert (tape.status, dict(tape.headers)["retry-after"]) == (429, "2")
            assert b"Slow down." in tape.body
            continue
        iterator = stream_bytes([tape.body], "openai_chat")
        with pytest.raises(Exception, match="Busy"):
            list(iterator)
        assert iterator.get_chat_output().text == "One"


def test_azure_openai_reads_its_dialect(server: FakeProviderServer, session: Session) -> None:
    """AzureOpenAI's own path and key choose the dialect: the prompt's filter results come first."""
    session.push(SCRIPT, SCRIPT)
    endpoint = f"{server.url}/s/{session.id}"
    with openai.AzureOpenAI(azure_endpoint=endpoint, api_key="k", api_version="2024-10-21", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="my-gpt", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        seen = list(stream)
        whole = client.chat.completions.create(model="my-gpt", messages=QUESTION)
    assert seen[0].choices == []
    assert seen[0].model_extra is not None
    assert seen[0].model_extra["prompt_filter_results"][0]["prompt_index"] == 0
    assert "".join(chunk.choices[0].delta.content or "" for chunk in seen if chunk.choices) == "Hello there"
    assert seen[-1].usage is not None
    assert seen[-1].usage.total_tokens == 29
    assert whole.choices[0].message.content == "Hello there"
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details.reasoning_tokens == 4
    (first, _) = session.journal.entries
    assert first.path == "/openai/deployments/my-gpt/chat/completions"


def test_groq_reads_its_dialect(server: FakeProviderServer, session: Session) -> None:
    """Groq's own path chooses the dialect: x_groq, reasoning and a whole call."""
    session.push(SCRIPT)
    with groq.Groq(base_url=f"{server.url}/s/{session.id}", api_key="k", max_retries=0) as client:
        seen = list(client.chat.completions.create(model="openai/gpt-oss-20b", messages=QUESTION, stream=True))
    assert seen[0].x_groq is not None
    assert "".join(chunk.choices[0].delta.reasoning or "" for chunk in seen if chunk.choices) == "Let me see."
    assert seen[-1].x_groq is not None
    assert seen[-1].x_groq.usage is not None
    assert seen[-1].x_groq.usage.completion_tokens == 9
    (calls,) = [chunk.choices[0].delta.tool_calls for chunk in seen if chunk.choices[0].delta.tool_calls]
    assert calls[0].function is not None
    assert calls[0].function.arguments == '{"a": 1}'


def test_mistral_reads_its_dialect(server: FakeProviderServer, session: Session) -> None:
    """A session's dialect holds whatever the model is called."""
    session.configure(dialect="mistral")
    session.push(SCRIPT)
    with Mistral(server_url=f"{server.url}/s/{session.id}", api_key="k") as client:
        seen = [event.data for event in client.chat.stream(model="my-own", messages=QUESTION)]
    assert seen[-1].usage is not None
    assert seen[-1].usage.completion_tokens == 9
    assert seen[-1].choices[0].finish_reason == "tool_calls"
    thoughts = [part for chunk in seen for part in chunk.choices[0].delta.content or () if not isinstance(part, str)]
    assert "".join(inner.text for part in thoughts for inner in part.thinking) == "Let me see."


@pytest.mark.parametrize(
    ("path", "headers", "known_by"),
    [
        ("/v1/chat/completions", {}, b'"service_tier":"default"'),
        ("/api/v1/chat/completions", {}, b'"native_finish_reason"'),
        ("/openai/v1/chat/completions", {}, b'"x_groq"'),
        ("/openai/v1/chat/completions", {"api-key": "k"}, b'"content_filter_results"'),
        ("/openai/deployments/gpt/chat/completions", {"api-key": "k"}, b'"content_filter_results"'),
    ],
)
def test_the_path_chooses_the_dialect(
    server: FakeProviderServer, session: Session, http: httpx2.Client, path: str, headers: Any, known_by: bytes
) -> None:
    """Each provider's own path is answered in its own way; Azure's key distinguishes its v1 path from Groq's."""
    url = f"{server.url}/s/{session.id}{path}?api-version=2024-10-21"
    body = {"model": "m", "messages": QUESTION, "stream": True}
    assert known_by in http.post(url, json=body, headers=headers).content


def test_the_control_api_sets_a_dialect(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """A dialect is a setting like the others, which `dress`, its former name, sets too; an unknown one is refused."""
    url = f"{server.url}/_tokentape/sessions/{session.id}/settings"
    assert http.patch(url, json={"dialect": "xai"}).json()["dialect"] == "xai"
    assert session.settings.dialect == "xai"
    assert http.patch(url, json={"dress": None}).json()["dialect"] is None
    refused = http.patch(url, json={"dialect": "nylon"})
    assert refused.status_code == 400
    with pytest.raises(UnknownDialectError, match=r"no dialect 'nylon': the known ones are openai, azure, groq"):
        session.configure(dialect="nylon")
    assert dialect_named("openai") is None
