"""What the official ollama client reads of `ollama`, unmodified."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import httpx2
import ollama
import pytest
from hypothesis import given

from tests.corpus import items
from tests.fake_provider.asks import ask_of, stream_of
from tests.fake_provider.in_process import InProcess
from tests.fake_provider.test_wire_fidelity import shape
from tests.script_strategies import scripts
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import (
    Choice,
    Error,
    FinishReason,
    Reasoning,
    Refusal,
    Script,
    Text,
    ToolCall,
    Usage,
)
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import wire_named
from tokentape_fake_provider.wires.ollama import FINISH_REASONS

MESSAGES = [{"role": "user", "content": "Say something nice."}]

fake = InProcess()
client = ollama.Client("http://fake.test", transport=fake.client(httpx)._transport)


def is_readable(script: Script) -> bool:
    """Whether the client can read it: it takes U+0085, which Ollama sends as it is, for the end of a line."""
    return "\x85" not in stream_of("ollama", script)


readable_scripts = scripts("ollama").filter(is_readable)


@pytest.fixture
def live(server: FakeProviderServer, session: Session) -> Iterator[ollama.Client]:
    """The official client, talking to the server over a socket."""
    with ollama.Client(server.base_url("ollama", session.id)) as connected:
        yield connected


def check(script: Script, text: str, thinking: str, calls: list[Any], last: Any) -> None:
    """What the client reads of a response is what the script has."""
    (choice,) = script.choices
    assert text == "".join(item.text for item in choice.items if isinstance(item, Text))
    assert thinking == "".join(item.text for item in choice.items if isinstance(item, Reasoning))
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        (item.name, json.loads(item.arguments)) for item in choice.items if isinstance(item, ToolCall)
    ]
    assert last.model == (script.model or "m")
    assert (last.done, last.done_reason) == (True, FINISH_REASONS[choice.ended])
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    assert (last.prompt_eval_count, last.eval_count) == (counts.input, counts.output)
    assert last.total_duration == last.load_duration + last.prompt_eval_duration + last.eval_duration


@given(readable_scripts)
def test_the_client_reads_every_chat_stream(script: Script) -> None:
    """The client's parts add up to the script, and only the last one is done."""
    fake.script = script
    parts = list(client.chat("m", messages=MESSAGES, stream=True))
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    calls = [call for part in parts for call in part.message.tool_calls or ()]
    text = "".join(part.message.content or "" for part in parts)
    check(script, text, "".join(part.message.thinking or "" for part in parts), calls, parts[-1])


@given(readable_scripts)
def test_the_client_reads_every_whole_response(script: Script) -> None:
    """The same script without streaming."""
    fake.script = script
    response = client.chat("m", messages=MESSAGES)
    message = response.message
    check(script, message.content or "", message.thinking or "", list(message.tool_calls or ()), response)


@given(readable_scripts)
def test_the_client_reads_every_generated_text(script: Script) -> None:
    """/api/generate says text and thinking in fields of its own, streamed and not."""
    (choice,) = script.choices
    fake.script = Script(
        (Choice(tuple(item for item in choice.items if not isinstance(item, ToolCall)), choice.finish_reason),),
        script.usage,
        model=script.model,
    )
    parts = list(client.generate("m", "Hi", stream=True))
    text = "".join(part.response or "" for part in parts)
    check(fake.script, text, "".join(part.thinking or "" for part in parts), [], parts[-1])
    whole = client.generate("m", "Hi")
    check(fake.script, whole.response or "", whole.thinking or "", [], whole)
    assert whole.context == parts[-1].context


def test_the_client_talks_to_the_server(live: ollama.Client, session: Session) -> None:
    """Over a socket: a stream with thinking, parallel tool calls and usage, then a whole response."""
    calls = (ToolCall.of("weather", {"city": "Oslo"}), ToolCall.of("weather", {"city": "Rome"}))
    session.push(Script.of(Reasoning("Two cities."), "Looking.", *calls, usage=Usage(input=12, output=34)))
    session.push(Script.of("Cold and warm.", finish_reason="length"))
    parts = list(live.chat("llama3.2", messages=MESSAGES, stream=True))
    assert "".join(part.message.content or "" for part in parts) == "Looking."
    assert "".join(part.message.thinking or "" for part in parts) == "Two cities."
    received = [call.function.arguments for part in parts for call in part.message.tool_calls or ()]
    assert received == [{"city": "Oslo"}, {"city": "Rome"}]
    assert (parts[-1].prompt_eval_count, parts[-1].eval_count, parts[-1].model) == (12, 34, "llama3.2")
    whole = live.chat("llama3.2", messages=MESSAGES)
    assert (whole.message.content, whole.done_reason) == ("Cold and warm.", "length")


def test_the_async_client_talks_to_the_server(server: FakeProviderServer, session: Session) -> None:
    """The client's async twin reads the same stream."""
    session.push(Script.of("Good day."))

    async def ask() -> str:
        async with ollama.AsyncClient(server.base_url("ollama", session.id)) as connected:
            return "".join([part.message.content async for part in await connected.chat("m", MESSAGES, stream=True)])

    assert asyncio.run(ask()) == "Good day."


def test_it_streams_unless_it_is_told_not_to(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """A request without `stream`, or with null, is answered with lines; `false` with one object."""
    url = f"{server.base_url('ollama', session.id)}/api/chat"
    for fields, content_type in (
        ({}, "application/x-ndjson"),
        ({"stream": None}, "application/x-ndjson"),
        ({"stream": False}, "application/json; charset=utf-8"),
    ):
        session.push(Script.of("one two"))
        response = http.post(url, json={"model": "m", "messages": MESSAGES, **fields})
        assert response.headers["content-type"] == content_type
        assert len(response.text.splitlines()) == (3 if "x-ndjson" in content_type else 1)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_http_errors_become_the_clients_exception(status: int, stream: bool) -> None:
    """Each status raises the client's ResponseError with status and message, before anything is streamed."""
    fake.script = Script.of(error=Error(status, "model 'm' not found"))
    with pytest.raises(ollama.ResponseError) as caught:
        list(client.chat("m", messages=MESSAGES, stream=stream))
    assert (caught.value.status_code, caught.value.error) == (status, "model 'm' not found")


def test_an_error_inside_the_stream_is_raised_after_what_came_before() -> None:
    """The parts arrive, then the client raises for the error line."""
    fake.script = Script.of("Half an answ", error=Error(500, "an error was encountered", in_stream=True))
    received: list[str] = []
    with pytest.raises(ollama.ResponseError, match="an error was encountered"):
        received.extend(part.message.content or "" for part in client.chat("m", messages=MESSAGES, stream=True))
    assert "".join(received) == "Half an answ"


def test_a_bad_request_is_refused() -> None:
    """A request without a model is refused before any script is used."""
    reply = wire_named("ollama").encode_error(Error(400, "model is required", retry_after=2))
    assert (reply.status, reply.body) == (400, b'{"error":"model is required"}')
    assert dict(reply.headers)["retry-after"] == "2"


def test_the_client_learns_of_the_models(live: ollama.Client) -> None:
    """list, ps and show are answered; any model can be shown, as any model answers."""
    assert [model.model for model in live.list().models] == ["tokentape"]
    assert live.ps().models == []
    shown = live.show("llama3.2")
    assert shown.capabilities is not None
    assert {"completion", "tools"} <= set(shown.capabilities)
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 131_072


def test_other_clients_learn_of_the_models(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """litellm names the model `name`; the version is reported; a model is required."""
    base = server.base_url("ollama", session.id)
    assert http.post(f"{base}/api/show", json={"name": "llama3.2"}).json()["model_info"]
    assert http.get(f"{base}/api/version").json()["version"].count(".") == 2
    refused = http.post(f"{base}/api/show", json={})
    assert (refused.status_code, refused.json()) == (400, {"error": "model is required"})
    assert [entry.answered_by for entry in session.journal.wait()] == ["models"] * 3


@pytest.mark.parametrize(
    "script",
    [
        Script.of("Hello there, how are you?"),
        Script.of(ToolCall.of("get_weather", {"city": "a"})),
        Script.of(Reasoning("Hm"), "So."),
    ],
    ids=["text", "tool_calls", "thinking"],
)
def test_lines_have_recorded_shapes(script: Script) -> None:
    """Every line has the shape of some line that an Ollama server sent."""
    known = {
        shape(json.loads(line)) for item in items("ollama_chat") for line in item.body.splitlines() if line.strip()
    }
    lines = [json.loads(line) for line in stream_of("ollama", script).splitlines()]
    assert [line for line in lines if shape(line) not in known] == []


def test_generated_lines_have_recorded_shapes() -> None:
    """Every line of /api/generate has the shape of some line that an Ollama server sent."""
    known = {shape(json.loads(line)) for item in items("ollama_generate") for line in item.body.splitlines()}
    wire = wire_named("ollama")
    ask = wire.read("/api/generate", {"model": "m", "prompt": "Hi"}, created=1_800_000_000, seed="seed")
    lines = [json.loads(piece.data) for piece in wire.encode_stream(Script.of("Hello there"), ask)]
    assert [line for line in lines if shape(line) not in known] == []


def test_arguments_are_on_one_line() -> None:
    """Line breaks between the values of arguments go, those inside strings stay."""
    script = Script.of(ToolCall("f", '{\n "a b": "c \\n d",\n\t"e": 1.50\n}'))
    lines = stream_of("ollama", script).splitlines()
    assert len(lines) == 2
    assert '"arguments":{"a b":"c \\n d","e":1.50}' in lines[0]


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "1", "nothing"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_ollama_cannot_say_is_an_error(arguments: str, stream: bool) -> None:
    """Arguments that are no object, and several choices."""
    wire, ask = wire_named("ollama"), ask_of("ollama", stream=stream)
    send = wire.encode_stream if stream else wire.encode_complete
    with pytest.raises(ScriptError, match=r"^tool call 'f': its arguments are not a JSON object"):
        send(Script.of(ToolCall("f", arguments)), ask)
    with pytest.raises(ScriptError, match="ollama answers with one choice; this script has 2"):
        send(Script((Choice(), Choice())), ask)


def test_finish_reasons_are_ollamas_words() -> None:
    """Each reason has its word; a refusal is text."""
    words = {"length": "length", "error": "error", "other": "other"}
    for reason in get_args(FinishReason):
        fake.script = Script.of(Refusal("No."), finish_reason=reason)
        response = client.chat("m", messages=MESSAGES)
        assert (response.message.content, response.done_reason) == ("No.", words.get(reason, "stop"))
    fake.script = Script((Choice((), None, "unload"),))
    assert client.chat("m", messages=MESSAGES).done_reason == "unload"


def test_usage_can_be_left_out() -> None:
    """With report=False the last line has neither counts nor durations."""
    fake.script = Script.of("Hi", usage=Usage(report=False))
    last = list(client.chat("m", messages=MESSAGES, stream=True))[-1]
    assert last.done
    assert (last.eval_count, last.prompt_eval_count, last.total_duration) == (None, None, None)
