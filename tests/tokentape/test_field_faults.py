"""What servers send beside the specification: each kind of it is read, or is one clear error, however it is cut."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterable
from typing import Any

import pytest
from mistralai.client.models import CompletionEvent

from tests.aws_frames import event
from tests.cuts import ways
from tokentape import (
    BadRequestError,
    ChatMessage,
    ChatOutput,
    DecodeError,
    ProviderError,
    ProviderPart,
    RateLimitError,
    ReasoningPart,
    ServerError,
    TextPart,
    TokentapeError,
    TruncatedStreamError,
    replay,
    stream_bytes,
    wrap,
)
from tokentape.providers.openai_request import openai_message
from tokentape.providers.responses_request import responses_input

CHAT = "openai_chat"
SSE_WIRES = (CHAT, "openai_completions", "openai_responses", "anthropic_messages", "gemini", "cohere_chat")
WIRES = (*SSE_WIRES, "gemini_interactions", "ollama", "cohere_v1", "bedrock_converse", "bedrock_invoke")
DONE = b"data: [DONE]\n\n"


def sse(*events: Any) -> bytes:
    """Events with this data; bytes are events as they are."""
    return b"".join(
        event if isinstance(event, bytes) else b"data: " + json.dumps(event).encode() + b"\n\n" for event in events
    )


def delta(reason: str | None = None, /, index: int = 0, **fields: Any) -> dict[str, Any]:
    """A chunk of chat with one choice."""
    return {"id": "c1", "model": "m", "choices": [{"index": index, "delta": fields, "finish_reason": reason}]}


def call(index: Any = 0, /, id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:  # noqa: A002
    """A chunk of chat with a fragment of a call; None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fragment = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return delta(tool_calls=[{**fragment, "function": function}])


STOP, CALLED = delta("stop"), delta("tool_calls")


def output(pieces: Iterable[bytes], wire: str = CHAT) -> ChatOutput:
    """The output, with the error that ended it."""
    stream = stream_bytes(pieces, wire)
    with contextlib.suppress(TokentapeError):
        list(stream)
    return stream.get_chat_output()


def read(body: bytes, wire: str = CHAT) -> ChatOutput:
    """The output of a body, which is the same at every cut."""
    whole, *cut = (output(pieces, wire) for pieces in ways(body))
    for one in cut:
        assert one.messages == whole.messages
        assert (one.usage, one.metadata, repr(one.error)) == (whole.usage, whole.metadata, repr(whole.error))
        if isinstance(whole.error, DecodeError):
            assert (one.error.event, one.error.offset) == (whole.error.event, whole.error.offset)
    return whole


def calls(out: ChatOutput) -> list[tuple[str, str, Any]]:
    """The tool calls; arguments that are not JSON are None."""
    return [(call.id, call.name, call.arguments if call.valid else None) for call in out.message.tool_calls]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([call(id="A", name="f", arguments=""), call(id="B", arguments='{"a"'), call(id="C", arguments=":1}")], None),
        ([call(id="A", name="f", arguments="{}"), call(arguments='{"a"'), call(arguments=":1}")], None),
        ([call(id=id_, name="f", arguments=part) for id_, part in (("A", '{"a"'), ("B", ":"), ("C", "1}"))], None),
        ([call(id="A", name="f", arguments="null"), call(arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments="{}"), call(id="A", name="f", arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments='{"a":1}'), call(arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments='{"a":'), call(id="A", name="f", arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments='{"a":1}'), call(id="A", name="f", arguments='{"a": 1}')], None),
        ([call(id="A", name="f", arguments='{"a'), call(1, arguments='":1}')], None),
        ([call(id="A", name="f", arguments='{"a'), call(1, arguments='":'), call(1, arguments="1}")], None),
        ([call(id="A", name="f", arguments={"a": 1})], None),
        ([call("0", id="A", name="f", arguments='{"a":'), call("0", arguments="1}")], None),
        ([call(-1, id="A", name="f", arguments='{"a":'), call(-1, arguments="1}")], None),
        ([call(1 << 70, id="A", name="f", arguments='{"a":'), call(1 << 70, arguments="1}")], None),
        ([delta(tool_calls={"index": 0, "id": "A", "function": {"name": "f", "arguments": '{"a":1}'}})], None),
        ([delta(tool_calls=[{"id": "A", "type": "custom", "custom": {"name": "f", "input": '{"a":1}'}}])], None),
        ([call(id=7, name="f", arguments='{"a":1}')], [("7", "f", {"a": 1})]),
        ([call(id=7.0, name="f", arguments='{"a":1}')], [("7", "f", {"a": 1})]),
        (
            [call(id="A", name="f", arguments='{"a":1}'), call(id="B", name="f", arguments='{"a":1}')],
            [("A", "f", {"a": 1}), ("B", "f", {"a": 1})],
        ),
        (
            [call(n, id="null", name="f", arguments='{"a":1}') for n in (0, 1)],
            [("null", "f", {"a": 1}), ("null", "f", {"a": 1})],
        ),
        ([call(id="A", name="f", arguments="{}"), call(1, id="B", name="g")], [("A", "f", {}), ("B", "g", {})]),
        ([call(id="A", name="f", arguments='{"a":1}'), call(arguments='{"b":2}')], [("A", "f", None)]),
    ],
)
def test_calls_are_put_together_whatever_names_their_fragments(chunks: list[Any], expected: list[Any] | None) -> None:
    """Ids that change, arguments that hold a place or come again, odd types and numbers: the call is whole."""
    assert calls(read(sse(*chunks, CALLED, DONE))) == (expected or [("A", "f", {"a": 1})])


FIELD_ERROR = b'error: {"code":400,"message":"too long","type":"invalid_request_error"}\n\n'


@pytest.mark.parametrize("wire", SSE_WIRES)
@pytest.mark.parametrize(
    "error",
    [
        FIELD_ERROR,
        b'event: error\ndata: {"code":400,"message":"too long"}\n\n',
        b'event: error\ndata: {"error":{"code":400,"message":"too long"}}\n\n',
        b'{"error":{"code":400,"message":"too long"}}\n\n',
        b'{\n "error": {"code": 400,\n "message": "too long"}\n}\n\n',
        b'data: {"error":[{"code":"400","message":"too long"}]}\n\n',
        b'data: {"error":{"error":{"code":400,"message":"too long"}}}\n\n',
        b'data: [{"error":{"code":400,"message":"too long"}}]\n\n',
    ],
)
def test_an_error_is_raised_wherever_it_stands(wire: str, error: bytes) -> None:
    """In a field of its own, in an event named so, without a field, in a list: with its status and message."""
    failed = read(error + DONE, wire).error
    assert isinstance(failed, BadRequestError), failed
    assert (failed.message, failed.status) == ("too long", 400)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"index": 0, "delta": {"content": "b"}, "error": {"code": 429, "message": "slow"}}]},
        {"choices": [{"index": 0, "delta": {"content": "b", "error": {"code": 429, "message": "slow"}}}]},
        {"choices": [{"index": 0, "delta": {"content": "b"}}], "error": {"code": "429", "message": "slow"}},
        {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "error", "error": "429 slow"}]},
    ],
)
def test_an_error_in_a_choice_is_raised_at_the_end(event: dict[str, Any]) -> None:
    """What comes beside it and after it is read before."""
    out = read(sse(delta(content="a"), event, {"choices": [], "usage": {"prompt_tokens": 3}}, DONE))
    assert isinstance(out.error, ProviderError)
    assert "slow" in out.error.message
    assert isinstance(out.error, RateLimitError) == (out.error.status == 429)
    assert (out.text, out.usage.input) == ("ab", 3)


@pytest.mark.parametrize(
    "event",
    [
        {"detail": "no such model", "status": 400},
        {"message": "no such model", "status_code": 400},
        {"object": "error", "message": "no such model", "code": 400},
        {"errors": [{"code": 400, "message": "no such model"}], "success": False},
        {"type": "error", "message": "no such model", "code": 400},
    ],
)
def test_an_event_without_choices_that_reports_an_error_is_one(event: dict[str, Any]) -> None:
    """Gateways have shapes of their own."""
    failed = read(sse(event, DONE)).error
    assert isinstance(failed, BadRequestError)
    assert failed.message == "no such model"


MESSAGE_START = {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {"input_tokens": 3}}}
SLOW = {"type": "rate_limit_error", "code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (
            "anthropic_messages",
            [
                MESSAGE_START,
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": "b"},
                    "error": SLOW,
                },
                {"type": "message_stop"},
            ],
        ),
        (
            "anthropic_messages",
            [
                MESSAGE_START,
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ab"}},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "error": SLOW},
                {"type": "message_stop"},
            ],
        ),
        (
            "openai_responses",
            [
                {"type": "response.output_text.delta", "item_id": "m1", "content_index": 0, "delta": "a"},
                {
                    "type": "response.output_text.delta",
                    "item_id": "m1",
                    "content_index": 0,
                    "delta": "b",
                    "error": SLOW,
                },
                {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}},
            ],
        ),
        (
            "cohere_chat",
            [
                {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}}}},
                {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "b"}}}, "error": SLOW},
                {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
            ],
        ),
        (
            "gemini_interactions",
            [
                {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "a"}},
                {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "b"}, "error": SLOW},
                {"event_type": "interaction.completed", "interaction": {"status": "completed"}},
            ],
        ),
        (
            "gemini_interactions",
            [
                {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "ab"}},
                {"event_type": "interaction.completed", "interaction": {"status": "failed", "error": SLOW}},
            ],
        ),
        (
            "cohere_v1",
            [
                {"event_type": "text-generation", "text": "a"},
                {"event_type": "text-generation", "text": "b", "error": SLOW},
                {"event_type": "stream-end", "finish_reason": "COMPLETE"},
            ],
        ),
        (
            "gemini",
            [
                {"candidates": [{"content": {"parts": [{"text": "a"}]}}]},
                {"candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}], "error": SLOW},
            ],
        ),
        (
            "ollama",
            [
                {"message": {"content": "a"}, "done": False},
                {"message": {"content": "b"}, "done": False, "error": SLOW},
                {"message": {"content": ""}, "done": True},
            ],
        ),
        (
            "ollama",
            [
                {"message": {"content": "ab"}, "done": False},
                {"message": {"content": "", "error": SLOW}, "done": False},
                {"message": {"content": ""}, "done": True},
            ],
        ),
    ],
)
def test_an_error_beside_content_is_raised_in_every_format(wire: str, events: list[Any]) -> None:
    """The content is read, and the stream is not complete."""
    body = (
        sse(*events)
        if wire not in ("ollama", "cohere_v1")
        else b"".join(json.dumps(each).encode() + b"\n" for each in events)
    )
    out = read(body, wire)
    assert isinstance(out.error, RateLimitError), out.error
    assert (out.text, out.error.message) == ("ab", "slow")


def test_an_error_of_openais_shape_is_read_in_geminis_format() -> None:
    """Its type decides the class of the error."""
    failed = read(sse({"error": {"message": "no", "type": "invalid_request_error", "code": "x"}}), "gemini").error
    assert isinstance(failed, BadRequestError)
    assert failed.type == "invalid_request_error"


def test_an_event_that_only_reports_how_far_it_is_is_no_error() -> None:
    """A message beside a state is not."""
    assert read(sse({"status": "processing", "message": "wait"}, delta("stop", content="a"), DONE)).error is None


def test_an_error_has_the_id_of_its_request() -> None:
    """Beside the error, or in it, in every wire format."""
    beside = sse({"type": "error", "error": {"type": "api_error", "message": "x"}, "request_id": "req_7"})
    for wire in ("anthropic_messages", CHAT, "openai_responses"):
        error = read(beside, wire).error
        assert isinstance(error, ServerError)
        assert error.request_id == "req_7"
    inside = read(sse({"error": {"message": "x", "code": 500, "request_id": 8}})).error
    assert isinstance(inside, ServerError)
    assert inside.request_id == "8"


@pytest.mark.parametrize("wire", [CHAT, "openai_completions", "cohere_chat", "gemini_interactions"])
@pytest.mark.parametrize("before", [b"", b": wait\n\n", b"data:\n\n"])
def test_the_end_marker_after_nothing_is_an_error(wire: str, before: bytes) -> None:
    """A stream of only [DONE] is not complete."""
    error = read(before + DONE, wire).error
    assert isinstance(error, TruncatedStreamError)
    assert "ended without content" in str(error)


PAGE = b"<!DOCTYPE html>\n<html><body>\n\n<h1>502 Bad Gateway</h1></body></html>\n"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "body", [PAGE, PAGE.replace(b"\n", b""), gzip.compress(b"data: {}\n\n", mtime=0), b"upstream\n"]
)
def test_a_body_of_another_kind_is_a_decode_error(wire: str, body: bytes) -> None:
    """A page, compressed data or plain words in place of a stream are a DecodeError that quotes them, not a cut."""
    error = output([body], wire).error
    assert isinstance(error, DecodeError), error
    assert repr(output([bytes([byte]) for byte in body], wire).error) == repr(error)


@pytest.mark.parametrize("wire", ["bedrock_converse", "bedrock_invoke"])
@pytest.mark.parametrize(
    "body", [b"<html>502</html>", b"oops", b"upstream timed out: " * 9, gzip.compress(b"x" * 99, mtime=0)]
)
def test_a_body_of_another_kind_is_quoted_in_place_of_frames(wire: str, body: bytes) -> None:
    """And not called a frame with a wrong checksum, however it is cut."""
    failed = read(body, wire).error
    assert isinstance(failed, DecodeError)
    assert f"the body is not an AWS event stream: it begins with {body[:60].decode('utf-8', 'replace')!r}"[:80] in str(
        failed
    )


def arguments_of(wire: str, *arguments: Any) -> bytes:
    """A call of f with these arguments, one event for each, where its format has text or where it has objects."""
    match wire:
        case "anthropic_messages":
            return sse(
                MESSAGE_START,
                {
                    "type": "content_block_start",
                    "content_block": {"type": "tool_use", "id": "A", "name": "f", "input": {}},
                },
                *(
                    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": each}}
                    for each in arguments
                ),
                {"type": "content_block_stop"},
                {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
                {"type": "message_stop"},
            )
        case "openai_responses":
            item = {"type": "function_call", "id": "i", "call_id": "A", "name": "f", "arguments": ""}
            delta_ = {"type": "response.function_call_arguments.delta", "item_id": "i"}
            return sse(
                {"type": "response.output_item.added", "item": item},
                *(delta_ | {"delta": each} for each in arguments),
                {"type": "response.completed", "response": {"status": "completed", "output": []}},
            )
        case "cohere_chat":
            fragments = [{"function": {"arguments": each}} for each in arguments]
            return sse(
                {
                    "type": "tool-call-start",
                    "index": 0,
                    "delta": {"message": {"tool_calls": {"id": "A", "function": {"name": "f", "arguments": "{}"}}}},
                },
                *(
                    {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": [fragment]}}}
                    for fragment in fragments
                ),
                {"type": "tool-call-end", "index": 0},
                {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}},
            )
        case "gemini":
            calls_ = [{"functionCall": {"id": "A", "name": "f", "args": each}} for each in arguments]
            return sse(
                *({"candidates": [{"content": {"parts": [part]}}]} for part in calls_),
                {"candidates": [{"finishReason": "STOP"}]},
            )
        case _:
            deltas = [
                event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": each}}})
                for each in arguments
            ]
            start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "A", "name": "f"}}}
            return b"".join(
                (
                    event("contentBlockStart", start),
                    *deltas,
                    event("contentBlockStop", {"contentBlockIndex": 0}),
                    event("messageStop", {"stopReason": "tool_use"}),
                )
            )


@pytest.mark.parametrize(
    "wire", ["anthropic_messages", "openai_responses", "cohere_chat", "gemini", "bedrock_converse"]
)
@pytest.mark.parametrize("arguments", [({"a": 1},), ('{"a":1}',), ({}, {"a": 1}), ("{}", '{"a":1}'), (None, '{"a":1}')])
def test_arguments_of_another_type_or_behind_a_placeholder_are_read(wire: str, arguments: tuple[Any, ...]) -> None:
    """An object for its text and a text for the object; `{}` or null before them is no call of its own."""
    assert calls(read(arguments_of(wire, *arguments), wire)) == [("A", "f", {"a": 1})]


def test_the_input_of_a_tool_of_the_provider_may_follow_a_placeholder() -> None:
    """As that of the application's tools."""
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": each} for each in ({}, '{"query":', '"x"}')]
    out = read(
        sse(
            {"type": "content_block_start", "content_block": block},
            *({"type": "content_block_delta", "delta": each} for each in deltas),
            {"type": "content_block_stop"},
            {"type": "message_stop"},
        ),
        "anthropic_messages",
    )
    assert out.message.parts == (ProviderPart("server_tool_use", block | {"input": {"query": "x"}}),)


def test_calls_with_ids_of_their_own_stay_apart() -> None:
    """A call without arguments beside another of the same name is a call (Gemini)."""
    parts = [{"functionCall": {"id": id_, "name": "f", "args": args}} for id_, args in (("A", {}), ("B", {"a": 1}))]
    body = sse({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})
    assert calls(read(body, "gemini")) == [("A", "f", {}), ("B", "f", {"a": 1})]
    nameless = [{"functionCall": {"name": "f", "args": args}} for args in ({}, {"a": 1})]
    body = sse({"candidates": [{"content": {"parts": nameless}, "finishReason": "STOP"}]})
    assert calls(read(body, "gemini")) == [("", "f", {}), ("", "f", {"a": 1})]


def test_coheres_content_of_any_type_is_read() -> None:
    """One object, a list of them, and a string."""
    contents = [{"text": "a"}, [{"text": "b"}, {"text": "c"}], "d", {"text": 5}, [{"thinking": "t"}]]
    deltas = [{"type": "content-delta", "index": 0, "delta": {"message": {"content": each}}} for each in contents]
    out = read(sse(*deltas, {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}), "cohere_chat")
    assert (out.text, out.message.reasoning) == ("abcd5", "t")


@pytest.mark.parametrize("wire", [*SSE_WIRES, "ollama"])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_the_offset_of_an_error_is_that_of_its_data(wire: str, end: bytes) -> None:
    """Whatever ends the lines, and however the bytes are cut."""
    head, before = (b"", b'{"done":false}') if wire == "ollama" else (b"data: ", b'data: {"type":"ping"}')
    body = before + end + head + b"{broken" + end + before + end
    if wire == "ollama" and end == b"\r\r":
        pytest.skip("lines of JSON end in a line feed")
    error = read(body, wire).error
    assert isinstance(error, DecodeError)
    assert (error.event, error.offset) == (1, body.index(b"{broken"))
    assert f"at byte {error.offset}" in str(error)


def test_the_offset_of_a_bad_payload_of_aws_is_that_of_the_payload() -> None:
    """In bytes of the stream, however they are cut."""
    body = event("messageStart", {"role": "assistant"}) + event("contentBlockDelta", b"{broken")
    error = read(body, "bedrock_converse").error
    assert isinstance(error, DecodeError)
    assert error.offset == body.index(b"{broken")


def test_events_without_blank_lines_between_them_are_events() -> None:
    """Old servers leave them out; a document over several lines is one all the same."""
    lines = b"".join(b"data: " + json.dumps(each).encode() + b"\n" for each in (delta(content="a"), STOP))
    assert read(lines + b"data: [DONE]\n").text == "a"
    pretty = b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]\ndata: }\n\n'
    assert read(pretty + DONE).text == "a"


@pytest.mark.parametrize("word", ["null", "None", "", None])
def test_an_empty_finish_reason_counts_as_missing(word: str | None) -> None:
    """Some servers write null as text."""
    out = read(sse(delta(word, content="a"), delta(word, content="b")))
    assert out.finish_reason is None
    assert isinstance(out.error, TruncatedStreamError)


@pytest.mark.parametrize("value", [5, "x", True, None, [], {}, [1], {"a": 1}, 1.5])
@pytest.mark.parametrize(
    "field",
    ["choices", "usage", "id", "model", "delta", "finish_reason", "content", "tool_calls", "refusal", "function"],
)
def test_no_type_of_a_field_breaks_a_stream_or_is_lost(field: str, value: Any) -> None:
    """The text before and after is read; what can't be read is in the metadata."""
    odd: dict[str, Any] = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {}}]}}]}
    choice = odd["choices"][0]
    places = {"choices": odd, "usage": odd, "id": odd, "model": odd, "delta": choice, "finish_reason": choice}
    inner = choice["delta"]["tool_calls"][0] if field == "function" else choice["delta"]
    places.get(field, inner)[field] = value
    if field in ("content", "refusal"):
        del inner["tool_calls"]
    out = output([sse(delta(content="a"), odd, delta("stop", content="b"), DONE)])
    assert out.error is None
    assert out.text.startswith("a")
    assert out.text.endswith("b")
    unread = out.metadata.get("unread", {})
    assert not unread or next(iter(unread.values())) in (value, *(value if isinstance(value, list) else ()))


def test_what_can_not_be_read_is_in_the_metadata() -> None:
    """By its path in the event."""
    out = read(sse(delta(refusal={"why": True}, content="a"), STOP, DONE))
    assert out.metadata["unread"] == {"choices[0].delta.refusal": {"why": True}}
    assert read(sse(delta(content={"type": "text", "text": "a"}), STOP, DONE)).text == "a"
    assert read(sse(delta(reasoning_content=[{"text": "a"}, "b"]), STOP, DONE)).message.reasoning == "ab"


def test_empty_values_erase_nothing() -> None:
    """Neither ids and model nor what a provider reported of the content."""
    filtered = {"hate": {"filtered": False, "severity": "safe"}}
    first = delta() | {"native_finish_reason": "STOP", "content_filter_results": filtered, "x_groq": {"id": "req"}}
    last = {"id": "", "model": "", "native_finish_reason": None, "content_filter_results": {}, "choices": []}
    out = read(sse(first, delta("stop", content="a"), last, {"choices": [], "x_groq": {"seed": 1}}, DONE))
    assert (out.model, out.metadata["id"], out.metadata["native_finish_reason"]) == ("m", "c1", "STOP")
    assert out.metadata["content_filter_results"] == filtered
    assert out.metadata["x_groq"] == {"id": "req", "seed": 1}


def test_what_a_chunk_reports_beside_no_text_is_in_the_output() -> None:
    """Wherever it stands in the stream."""
    out = read(sse(delta(content="a"), STOP, {"choices": [], "moderation": {"flagged": True}}, DONE))
    assert out.metadata["moderation"] == {"flagged": True}


def test_tools_that_the_provider_ran_are_parts() -> None:
    """Each once, when its output is there (Groq)."""
    started = {"index": 0, "type": "search", "arguments": "{}"}
    other = {"index": 1, "type": "python", "arguments": "1"}
    body = sse(delta(executed_tools=[started]), delta(executed_tools=[started | {"output": "x"}, other]), STOP, DONE)
    parts = read(body).message.parts
    assert parts == (ProviderPart("executed_tools", started | {"output": "x"}), ProviderPart("executed_tools", other))
    sent = openai_message(ChatMessage.assistant("a", parts=parts))
    assert sent == {"role": "assistant", "content": "a"}


def test_log_probabilities_of_all_chunks_are_joined_by_choice() -> None:
    """In the message and the output; each choice has its own."""

    def token(text: str, index: int = 0) -> dict[str, Any]:
        chunk = delta(content=text, index=index)
        chunk["choices"][0]["logprobs"] = {"content": [{"token": text}], "refusal": None}
        return chunk

    body = sse(token("a"), token("x", 1), token("b"), token("c"), STOP, delta("stop", index=1), DONE)
    out = read(body)
    assert [each["token"] for each in out.metadata["logprobs"]["content"]] == ["a", "b", "c"]
    assert [each["token"] for each in out.messages[1].metadata["logprobs"]["content"]] == ["x"]


@pytest.mark.parametrize(
    ("wire", "events", "key"),
    [
        ("openai_completions", [{"choices": [{"text": t, "logprobs": {"tokens": [t]}}]} for t in "ab"], "logprobs"),
        (
            "openai_responses",
            [
                {"type": "response.output_text.delta", "item_id": "m", "content_index": 0, "delta": t, "logprobs": [t]}
                for t in "ab"
            ],
            "logprobs",
        ),
        (
            "gemini",
            [
                {"candidates": [{"content": {"parts": [{"text": t}]}, "logprobsResult": {"chosenCandidates": [t]}}]}
                for t in "ab"
            ],
            "logprobsResult",
        ),
    ],
)
def test_log_probabilities_are_joined_in_every_format(wire: str, events: list[Any], key: str) -> None:
    """Whatever their shape."""
    found = read(sse(*events), wire).metadata[key]
    assert (found if isinstance(found, list) else next(iter(found.values()))) == ["a", "b"]


def test_log_probabilities_of_ollama_are_joined() -> None:
    """They stand in each line."""
    lines = [{"message": {"content": t}, "done": False, "logprobs": [{"token": t}]} for t in "ab"]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in (*lines, {"done": True, "done_reason": "stop"}))
    assert read(body, "ollama").metadata["logprobs"] == [{"token": "a"}, {"token": "b"}]


def test_the_numbers_of_usage_are_those_of_one_report() -> None:
    """The last one whole; a null leaves the value before it; an object without common keys stands beside it."""
    first = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "cost": 0.1}}
    last = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": None}}
    out = read(sse(delta(content="a"), first, last, STOP, DONE))
    assert out.usage.raw == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": None}
    beside = {"choices": [], "usage": {"queue_time": 0.5}}
    assert read(sse(delta(content="a"), last, beside, STOP, DONE)).usage.raw == last["usage"] | beside["usage"]


DETAILS = [
    {"type": "reasoning.text", "text": "a", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "ENC", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
    {"type": "reasoning.summary", "summary": "b", "index": 1},
]


def test_reasoning_details_are_kept_item_by_item_and_go_back() -> None:
    """Items of another type or index stay apart, each with its format and id (OpenRouter)."""
    body = sse(*(delta(reasoning_details=[item]) for item in DETAILS), delta("stop", content="c"), DONE)
    message = read(body).message
    assert (message.reasoning, message.text) == ("ab", "c")
    back = [
        {"type": "reasoning.text", "text": "a", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0},
        DETAILS[2],
        DETAILS[3],
    ]
    assert openai_message(message)["reasoning_details"] == back
    stream = replay(message)
    list(stream)
    assert stream.get_chat_output().message.parts == message.parts


def test_reasoning_beside_other_details_is_read_once() -> None:
    """The text beside the items counts; the items keep theirs to go back."""
    message = read(
        sse(delta(reasoning="told", reasoning_details=[DETAILS[0]]), delta("stop", content="c"), DONE)
    ).message
    assert message.reasoning == "told"
    assert openai_message(message)["reasoning_details"] == [DETAILS[0]]


def response(*events: dict[str, Any], model: str = "m", output: list[Any] | None = None, **final: Any) -> ChatOutput:
    """The output of a streamed response."""
    body = {"id": "r", "object": "response", "model": model}
    return read(
        sse(
            {"type": "response.created", "response": body | {"status": "in_progress"}},
            *events,
            {"type": "response.completed", "response": body | {"status": "completed", "output": output or []} | final},
        ),
        "openai_responses",
    )


def text_delta(text: str, part: int = 0) -> dict[str, Any]:
    """A delta of text."""
    return {"type": "response.output_text.delta", "item_id": "m1", "content_index": part, "delta": text}


def message_item(*texts: str, **fields: Any) -> dict[str, Any]:
    """A finished message."""
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "id": "m1", "content": content, **fields}


@pytest.mark.parametrize(
    ("events", "output"),
    [
        (
            [
                text_delta("Hel"),
                {"type": "response.output_text.done", "item_id": "m1", "content_index": 0, "text": "Hello"},
            ],
            [],
        ),
        ([text_delta("Hel"), {"type": "response.output_item.done", "item": message_item("Hello")}], []),
        ([text_delta("Hel")], [message_item("Hello")]),
        ([text_delta("Hel")], [message_item("Hello", id="other")]),
        ([text_delta("Hel", 1), {"type": "response.output_item.done", "item": message_item("Hello")}], []),
        ([text_delta("Hello", 1)], [message_item("Hello")]),
        ([], [{"type": "reasoning", "id": "r1", "summary": []}, message_item("Hello")]),
        (
            [{"type": "response.output_item.added", "item": {"type": "reasoning", "id": "r1"}}],
            [{"type": "reasoning", "id": "r2", "summary": []}, message_item("Hello")],
        ),
    ],
)
def test_text_that_deltas_leave_out_is_taken_from_the_end(events: list[Any], output: list[Any]) -> None:
    """And what they have brought comes once, whatever they number it."""
    assert response(*events, output=output).text == "Hello"


def ended(text: str, part: int = 0) -> dict[str, Any]:
    """The end of a part."""
    return {"type": "response.output_text.done", "item_id": "m1", "content_index": part, "text": text}


@pytest.mark.parametrize(
    "events",
    [
        [text_delta("One"), text_delta("Two")],
        [text_delta("One"), ended("One"), text_delta("Two"), ended("Two")],
        [text_delta("One", 1), ended("One"), text_delta("Two", 2), ended("Two", 1)],
        [text_delta("On", 1), ended("One"), text_delta("Two", 0)],
        [text_delta("One", 5), text_delta("T", 6), ended("Two", 1)],
        [text_delta("One"), text_delta("Tw", 1)],
        [text_delta("One"), text_delta("Tw")],
        [ended("One"), ended("Two", 1)],
        [text_delta("One")],
        [],
    ],
)
def test_parts_come_once_whatever_their_deltas_number_them(events: list[Any]) -> None:
    """Several under one number, others than their end has, or none: the text is that of the finished message."""
    item = message_item("One", "Two")
    for end in ([], [{"type": "response.output_item.done", "item": item}]):
        assert response(*events, *end, output=[item]).text == "OneTwo"


def test_a_recording_whose_numbers_show_that_events_were_left_out_is_read_as_it_is() -> None:
    """Its text is that of its deltas."""
    done = {"type": "response.output_text.done", "item_id": "m1", "content_index": 0, "text": "Hello"}
    assert response(text_delta("Hel") | {"sequence_number": 4}, done | {"sequence_number": 9}).text == "Hel"
    assert response(text_delta("Hel") | {"sequence_number": 4}, done | {"sequence_number": 5}).text == "Hello"


FUNCTION = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f"}


@pytest.mark.parametrize("delta_", ['{"a"', "{}", "", '{"b":2}'])
@pytest.mark.parametrize("end", ["arguments", "item", "response"])
def test_arguments_are_those_of_the_end(delta_: str, end: str) -> None:
    """Whatever the deltas brought of them."""
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": FUNCTION | {"arguments": ""}},
        {"type": "response.function_call_arguments.delta", "item_id": "fc", "delta": delta_},
    ]
    whole = FUNCTION | {"arguments": '{"a":1}'}
    if end == "arguments":
        events.append({"type": "response.function_call_arguments.done", "item_id": "fc", "arguments": '{"a":1}'})
    if end != "response":
        events.append({"type": "response.output_item.done", "output_index": 0, "item": whole})
    out = response(*events, output=[whole])
    assert (calls(out), out.finish_reason) == ([("c1", "f", {"a": 1})], "tool_calls")


@pytest.mark.parametrize(
    ("model", "name"), [("grok-4", "x_keyword_search"), ("grok-4", "anything"), ("alias", "x_semantic_search")]
)
def test_a_search_that_xai_ran_is_no_call(model: str, name: str) -> None:
    """It is a part of the provider's, and the response just stops."""
    item = {"type": "custom_tool_call", "id": "ctc", "call_id": "xs_1", "name": name, "input": "{}"}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.custom_tool_call_input.delta", "item_id": "ctc", "delta": "{}"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    out = response(*events, text_delta("Sea."), model=model, output=[item])
    assert (calls(out), out.finish_reason, out.text) == ([], "stop", "Sea.")
    assert out.message.parts[0] == ProviderPart("custom_tool_call", item)
    theirs = response(*events, model="gpt-5", output=[item]) if name == "anything" else None
    assert theirs is None or [call.name for call in theirs.message.tool_calls] == ["anything"]


@pytest.mark.parametrize(
    ("item", "awaits"),
    [
        ({"type": "apply_patch_call", "call_id": "c1"}, True),
        ({"type": "local_shell_call", "call_id": "c1"}, True),
        ({"type": "computer_call", "call_id": "c1"}, True),
        ({"type": "shell_call", "call_id": "c1", "environment": {"type": "local"}}, True),
        ({"type": "shell_call", "call_id": "c1", "environment": None}, True),
        ({"type": "shell_call", "call_id": "c1", "environment": {"type": "container_reference"}}, False),
        ({"type": "tool_search_call", "call_id": "c1", "execution": "client"}, True),
        ({"type": "tool_search_call", "call_id": "c1", "execution": "server"}, False),
        ({"type": "web_search_call", "id": "ws"}, False),
    ],
)
def test_calls_that_the_application_answers_are_marked(item: dict[str, Any], awaits: bool) -> None:
    """By the part and by the finish reason; a plain tool message does not answer them."""
    out = response({"type": "response.output_item.done", "output_index": 0, "item": item}, output=[item])
    assert out.message.parts == (ProviderPart(item["type"], item, awaits),)
    assert out.finish_reason == ("tool_calls" if awaits else "stop")
    answer = [out.message, ChatMessage.tool("done", tool_call_id="c1")]
    if awaits:
        with pytest.raises(
            TokentapeError, match=f"c1 is a {item['type']}: answer it with a dict of the API's own type"
        ):
            responses_input(answer)
    assert responses_input([out.message])[0] == item


def test_the_phase_of_a_message_is_kept_and_goes_back() -> None:
    """Also of a message that was cut, and of each of its parts."""
    start = {"type": "response.output_item.added", "item": message_item(phase="commentary")}
    out = response(start, text_delta("I look."), output=[message_item("I look.", phase="commentary")])
    assert out.message.parts == (TextPart("I look.", (), "commentary"),)
    assert responses_input([out.message])[0]["phase"] == "commentary"
    cut = read(sse(start, text_delta("I look.")), "openai_responses")
    assert cut.message.parts == out.message.parts
    stream = replay(out)
    list(stream)
    assert stream.get_chat_output().message.parts == out.message.parts


@pytest.mark.parametrize("word", ["stop", "eos", "whatever"])
def test_calls_and_refusals_decide_the_finish_reason(word: str) -> None:
    """The provider's word stays beside."""
    called = read(sse(call(id="A", name="f"), delta(word), DONE))
    refused = read(sse(delta(refusal="No."), delta(word), DONE))
    assert (called.finish_reason, called.provider_finish_reason) == ("tool_calls", word)
    assert (refused.finish_reason, refused.provider_finish_reason) == ("refusal", word)
    late = read(sse(delta(word), call(id="A", name="f"), DONE))
    assert (late.finish_reason, late.provider_finish_reason) == ("tool_calls", word)
    assert read(sse(call(id="A", name="f"), delta("length"), DONE)).finish_reason == "length"


def test_a_message_that_repeats_the_deltas_counts_once() -> None:
    """With what they left out."""
    whole = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
    assert read(sse(delta(content="He"), delta(content="l"), whole, DONE)).text == "Hello"


def test_usage_with_compaction_counts_all_samplings_of_the_model() -> None:
    """The top level has the last one only; without compaction it has them all, and an advisor is another model."""
    compaction = {"type": "compaction", "input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 30}
    last = {"type": "message", "input_tokens": 5, "output_tokens": 2}
    advisor = {"type": "advisor_message", "input_tokens": 7, "output_tokens": 7}

    def usage(*iterations: dict[str, Any]) -> tuple[int | None, int | None]:
        raw = {"input_tokens": 5, "output_tokens": 2, "iterations": list(iterations)}
        found = read(sse({"type": "message_delta", "delta": {}, "usage": raw}), "anthropic_messages").usage
        assert found.raw == raw
        return found.input, found.output

    assert usage(compaction, last, advisor) == (45, 6)
    assert usage(last, advisor) == (5, 2)


@pytest.mark.parametrize("index", [1 << 64, -1, "1", 1.0])
def test_blocks_of_any_number_are_read(index: Any) -> None:
    """Also beyond the integers of the machine, and as text."""
    events = [
        {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}} for text in "abc"
    ]
    assert read(sse(*events, {"type": "message_stop"}), "anthropic_messages").text == "abc"


def test_the_mark_of_the_end_stands_for_the_end_of_a_message_that_has_a_reason() -> None:
    """Gateways send it in place of message_stop."""
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
    assert read(sse(text, stop, DONE), "anthropic_messages").error is None
    assert isinstance(read(sse(text, DONE), "anthropic_messages").error, TruncatedStreamError)


def test_text_that_version_1_of_cohere_left_out_is_taken_from_the_end() -> None:
    """And its calls, if they came there only."""
    end = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "Hello"}}
    lines = [{"event_type": "text-generation", "text": "Hel"}, end]
    assert read(b"".join(json.dumps(line).encode() + b"\n" for line in lines), "cohere_v1").text == "Hello"
    end["response"] = {"text": "I will.", "tool_calls": [{"name": "f", "parameters": {"a": 1}}]}
    out = read(json.dumps(end).encode() + b"\n", "cohere_v1")
    assert (calls(out), out.finish_reason, out.text) == ([("", "f", {"a": 1})], "tool_calls", "")


def test_partial_arguments_may_come_after_a_placeholder_and_leave_elements_out() -> None:
    """Elements that are left out are null, and too many of them are an error."""

    def part(**call: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"functionCall": call}]}}]}

    def value(path: str) -> list[dict[str, Any]]:
        return [{"jsonPath": path, "numberValue": 3}]

    started = part(name="f", args={}, willContinue=True)
    end = {"candidates": [{"finishReason": "STOP"}]}
    out = read(sse(started, part(partialArgs=value("$.q[1].n"), willContinue=True), part(), end), "gemini")
    assert calls(out) == [("", "f", {"q": [None, {"n": 3}]})]
    huge = read(sse(started, part(partialArgs=value("$.q[999999999]"))), "gemini")
    assert isinstance(huge.error, DecodeError)


def test_mistrals_completion_events_are_read() -> None:
    """Each holds a chunk."""
    body = {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1}
    events = [
        CompletionEvent.model_validate(
            {"data": body | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}}
        )
        for text, reason in (("a", None), ("b", "stop"))
    ]
    stream = wrap(iter(events))
    assert [message.text for message in stream] == ["a", "b"]
    assert stream.get_chat_output().metadata["id"] == "c"


def test_reasoning_parts_of_other_formats_have_no_item() -> None:
    """So nothing of them goes back where nobody takes it."""
    assert "reasoning_details" not in openai_message(ChatMessage.assistant("a", parts=(ReasoningPart("b", "sig"),)))


@pytest.mark.parametrize("value", [[], {}, 1, "x", None, [{}]])
@pytest.mark.parametrize("field", ["type", "index", "text", "signature", "data"])
def test_odd_reasoning_details_break_nothing(field: str, value: Any) -> None:
    """Whatever the types of their fields."""
    body = sse(delta(reasoning_details=[DETAILS[0] | {field: value}]), delta("stop", content="c"), DONE)
    assert read(body).text == "c"
