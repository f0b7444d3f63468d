"""What servers send beside the specification, in any wire format: each kind of it is read, or is one clear error."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.aws_frames import event
from tests.tokentape.field_streams import CHAT, DONE, MESSAGE_START, calls, output, read, sse
from tokentape import BadRequestError, DecodeError, RateLimitError, ServerError, TruncatedStreamError

SSE_WIRES = (CHAT, "openai_completions", "openai_responses", "anthropic_messages", "gemini", "cohere_chat")
WIRES = (*SSE_WIRES, "gemini_interactions", "ollama", "cohere_v1", "bedrock_converse", "bedrock_invoke")
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
