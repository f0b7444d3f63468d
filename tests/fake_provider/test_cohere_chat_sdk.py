"""What the official cohere client reads of `cohere_chat`, unmodified."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, get_args

import cohere
import httpx
import pytest
from cohere.core.api_error import ApiError
from cohere.errors import (
    BadRequestError,
    ForbiddenError,
    InternalServerError,
    NotFoundError,
    ServiceUnavailableError,
    TooManyRequestsError,
    UnauthorizedError,
    UnprocessableEntityError,
)
from hypothesis import given

from tests.fake_provider.asks import ask_of, stream_of
from tests.fake_provider.in_process import InProcess
from tests.fake_provider.test_wire_fidelity import events, recorded, shape
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
from tokentape_fake_provider.wires.cohere_chat import FINISH_REASONS

MESSAGES: Any = [{"role": "user", "content": "Say something nice."}]

fake = InProcess()
client = cohere.ClientV2("k", base_url="http://fake.test", httpx_client=fake.client(httpx), max_retries=0)


@pytest.fixture
def live(server: FakeProviderServer, session: Session) -> Iterator[cohere.ClientV2]:
    """The official client, talking to the server over a socket."""
    with cohere.ClientV2("k", base_url=server.base_url("cohere_chat", session.id), max_retries=0) as connected:
        yield connected


class DecodedResponse:
    """A streamed message, put together of the client's events."""

    def __init__(self, streamed: Any) -> None:
        self.content: list[tuple[str, str]] = []
        self.plan = ""
        self.calls: list[list[str]] = []
        self.end: Any = None
        for event in streamed:
            self.add(event)

    def add(self, event: Any) -> None:
        """Take in one event."""
        match event.type:
            case "content-start":
                assert event.index == len(self.content)
                self.content.append((event.delta.message.content.type, ""))
            case "content-delta":
                kind, text = self.content[event.index]
                content = event.delta.message.content
                self.content[event.index] = kind, text + (content.thinking if kind == "thinking" else content.text)
            case "tool-plan-delta":
                self.plan += event.delta.message.tool_plan
            case "tool-call-start":
                call = event.delta.message.tool_calls
                assert event.index == len(self.calls)
                self.calls.append([call.id, call.function.name, ""])
            case "tool-call-delta":
                self.calls[event.index][2] += event.delta.message.tool_calls.function.arguments
            case "message-end":
                self.end = event.delta
            case kind:
                assert kind in ("message-start", "content-end", "tool-call-end")


def check(script: Script, content: Any, calls: Any, end: Any) -> None:
    """What the client reads of a response is what the script has."""
    (choice,) = script.choices
    kinds = {Text: "text", Reasoning: "thinking"}
    items = [item for item in choice.items if not isinstance(item, ToolCall)]
    assert content == [(kinds[type(item)], item.text) for item in items]  # type: ignore[index]
    expected = [item for item in choice.items if isinstance(item, ToolCall)]
    assert [(name, arguments) for _, name, arguments in calls] == [(item.name, item.arguments) for item in expected]
    assert all(id_ == item.id or not item.id for (id_, *_), item in zip(calls, expected, strict=True))
    assert end.finish_reason == FINISH_REASONS[choice.ended]
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    tokens = end.usage.tokens
    assert (tokens.input_tokens, tokens.output_tokens, end.usage.cached_tokens) == (
        counts.input,
        counts.output,
        counts.cached,
    )
    assert end.usage.billed_units.output_tokens == counts.output
    assert getattr(tokens, "reasoning_tokens", None) == (counts.reasoning if counts.reasons else None)


@given(scripts("cohere_chat"))
def test_the_client_reads_every_stream(script: Script) -> None:
    """The client's events add up to the script: content blocks, tool calls, finish reason and usage."""
    fake.script = script
    received = DecodedResponse(client.v2.chat_stream(model="m", messages=MESSAGES))
    check(script, received.content, received.calls, received.end)


@given(scripts("cohere_chat"))
def test_the_client_reads_every_whole_response(script: Script) -> None:
    """The same script without streaming."""
    fake.script = script
    response = client.v2.chat(model="m", messages=MESSAGES)
    message = response.message
    content = [
        (block.type, block.thinking if block.type == "thinking" else block.text) for block in message.content or ()
    ]
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]
    check(script, content, calls, response)


def test_the_client_talks_to_the_server(live: cohere.ClientV2, session: Session) -> None:
    """Over a socket: a stream with a plan, parallel tool calls and usage, then a whole response."""
    calls = (ToolCall.of("weather", {"city": "Oslo"}), ToolCall.of("weather", {"city": "Rome"}))
    plan = Reasoning("I will look up both cities.", plan=True)
    session.push(Script.of(plan, *calls, usage=Usage(input=12, output=34, cached=5)))
    session.push(Script.of(Reasoning("Hm."), "Cold and warm.", finish_reason="length"))
    received = DecodedResponse(live.v2.chat_stream(model="command-a", messages=MESSAGES))
    assert (received.plan, received.content) == ("I will look up both cities.", [])
    assert [(name, json.loads(arguments)) for _, name, arguments in received.calls] == [
        ("weather", {"city": "Oslo"}),
        ("weather", {"city": "Rome"}),
    ]
    assert received.end.finish_reason == "TOOL_CALL"
    assert (received.end.usage.tokens.input_tokens, received.end.usage.cached_tokens) == (12, 5)
    whole = live.v2.chat(model="command-a", messages=MESSAGES)
    assert [block.type for block in whole.message.content or ()] == ["thinking", "text"]
    assert whole.finish_reason == "MAX_TOKENS"


def test_the_async_client_talks_to_the_server(server: FakeProviderServer, session: Session) -> None:
    """The client's async twin reads the same stream."""
    session.push(Script.of("Good day."))

    async def ask() -> str:
        async with cohere.AsyncClientV2("k", base_url=server.base_url("cohere_chat", session.id)) as connected:
            stream = connected.v2.chat_stream(model="m", messages=MESSAGES)
            return "".join(
                [event.delta.message.content.text async for event in stream if event.type == "content-delta"]
            )

    assert asyncio.run(ask()) == "Good day."


def test_a_plan_is_whole_without_streaming() -> None:
    """The tool plan stands beside the tool calls, and there is no content then."""
    fake.script = Script.of(Reasoning("I will look.", plan=True), ToolCall("f"))
    message = client.v2.chat(model="m", messages=MESSAGES).message
    assert (message.tool_plan, message.content, len(message.tool_calls or ())) == ("I will look.", None, 1)


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, BadRequestError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (422, UnprocessableEntityError),
        (429, TooManyRequestsError),
        (500, InternalServerError),
        (503, ServiceUnavailableError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_http_errors_become_the_clients_exceptions(status: int, raised: type[ApiError], stream: bool) -> None:
    """Each status raises the client's own exception with id, message and retry-after."""
    fake.script = Script.of(error=Error(status, "Told so.", retry_after=2))
    ask = client.v2.chat_stream if stream else client.v2.chat
    with pytest.raises(raised) as caught:
        list(ask(model="m", messages=MESSAGES))
    assert caught.value.body["message"] == "Told so."
    assert len(caught.value.body["id"]) == 36
    assert (caught.value.headers or {})["retry-after"] == "2"


def test_an_error_inside_the_stream_is_reported_by_its_end() -> None:
    """The deltas arrive, then a message-end with the error: the client does not raise."""
    fake.script = Script.of("Half an answ", error=Error(500, "internal error", in_stream=True))
    received = DecodedResponse(client.v2.chat_stream(model="m", messages=MESSAGES))
    assert received.content == [("text", "Half an answ")]
    assert (received.end.finish_reason, received.end.error, received.end.usage) == ("ERROR", "internal error", None)


def test_a_bad_request_is_refused(live: cohere.ClientV2) -> None:
    """What the API refuses is refused in its shape."""
    with pytest.raises(BadRequestError) as caught:
        live.v2.chat(model="m", messages=[])
    assert caught.value.body["message"] == "invalid request: list of messages must not be empty"


@pytest.mark.parametrize(
    "script",
    [
        Script.of("Hello there, how are you?"),
        Script.of(Reasoning("I will use a tool.", plan=True), ToolCall.of("f", {"a": 1}), ToolCall.of("g")),
        Script.of(Reasoning("Hm, well."), "So."),
    ],
    ids=["text", "tool_calls", "thinking"],
)
def test_events_have_recorded_shapes(script: Script) -> None:
    """Every event has the shape of some event that api.cohere.com sent."""
    known = {shape(event) for event in recorded("cohere_chat_v2")}
    unknown = [event for event in events(stream_of("cohere_chat", script)) if shape(event) not in known]
    # Recordings that count reasoning tokens were dumped with sorted keys.
    assert [event for event in unknown if "reasoning_tokens" not in json.dumps(event)] == []


def test_finish_reasons_are_coheres_words() -> None:
    """Each reason has its word, and a provider's own word goes out as it is; a refusal is text."""
    for reason in get_args(FinishReason):
        fake.script = Script.of(Refusal("No."), finish_reason=reason)
        response = client.v2.chat(model="m", messages=MESSAGES)
        assert [(block.type, block.text) for block in response.message.content or ()] == [("text", "No.")]  # type: ignore[union-attr]
        assert response.finish_reason == FINISH_REASONS[reason]
    fake.script = Script((Choice((), None, "STOP_SEQUENCE"),))
    assert client.v2.chat(model="m", messages=MESSAGES).finish_reason == "STOP_SEQUENCE"


def test_arguments_may_be_broken() -> None:
    """Arguments are text, which need not be JSON, streamed and not."""
    fake.script = Script.of(ToolCall("f", '{"a":'))
    assert DecodedResponse(client.v2.chat_stream(model="m", messages=MESSAGES)).calls[0][2] == '{"a":'
    (call,) = client.v2.chat(model="m", messages=MESSAGES).message.tool_calls or ()
    assert call.function is not None
    assert call.function.arguments == '{"a":'


def test_several_choices_are_an_error() -> None:
    """The format has one."""
    with pytest.raises(ScriptError, match="cohere_chat answers with one choice; this script has 2"):
        wire_named("cohere_chat").encode_stream(Script((Choice(), Choice())), ask_of("cohere_chat"))


def test_usage_can_be_left_out() -> None:
    """With report=False no event mentions usage."""
    fake.script = Script.of("Hi", usage=Usage(report=False))
    assert DecodedResponse(client.v2.chat_stream(model="m", messages=MESSAGES)).end.usage is None
    assert client.v2.chat(model="m", messages=MESSAGES).usage is None
