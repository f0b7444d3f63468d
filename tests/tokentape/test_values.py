"""The values that a stream leaves: they are pickled and copied, and refuse at once what they can't hold."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import tokentape
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ChatOutput,
    DecodeError,
    OutputBuffer,
    ProviderPart,
    RateLimitError,
    ReasoningPart,
    StreamedChatMessageIterator,
    TextPart,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    astream_bytes,
    post_streaming_response,
    replay,
    stream_bytes,
    streaming_failed,
)
from tokentape.providers.response import StreamedChatResponse
from tokentape.stream.context import StreamContext

BODY = (
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}\n\n'
    b'data: {"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":'
    b'{"name":"f","arguments":"{\\"a\\":1}"}}]}}]}\n\n'
    b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls","logprobs":{"content":[]}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


def streamed() -> StreamedChatMessageIterator:
    """A stream that was read to its end."""
    stream = stream_bytes([BODY])
    list(stream)
    return stream


VALUES: dict[str, Any] = {
    "empty message": ChatMessage(),
    "empty output": ChatOutput(),
    "usage": TokenUsage(1, 2, raw={"prompt_tokens": 1}),
    "empty usage": TokenUsage(),
    "call": ToolCall("id", "f", {"a": [1]}, '{"a":[1]}'),
    "fragment": ToolCallDelta(0, "id", "f", "{", True),
    "parts": ChatMessage("a", parts=(TextPart("a", ({"url": "u"},)), ReasoningPart("r", "s"), ProviderPart("search"))),
    "context": StreamContext("thread", metadata={"a": 1}, input=(ChatMessage.user("hi"),)),
    "output": streamed().get_chat_output(),
    "chunks": list(streamed()),
    "event": tokentape.PostStreamingResponseEvent("thread", streamed().get_chat_output()),
    "whole response": StreamedChatResponse(None, 200),
}
WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "deep copy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", VALUES)
def test_values_are_equal_to_their_copies(name: str, way: str) -> None:
    """Caches, task queues and worker processes pickle what they pass on; agents deep-copy their history."""
    value = VALUES[name]
    copied = WAYS[way](value)
    assert copied == value
    assert WAYS[way](copied) == value


@pytest.mark.parametrize("way", WAYS)
def test_errors_are_copied_with_their_fields(way: str) -> None:
    """A worker process returns an error with all its fields and the partial output."""
    stream = replay("half")
    limited = RateLimitError("slow down", status=429, code="rpm", retry_after=2.0, headers={"x": "y"}, body={"a": 1})
    limited.output = ChatOutput((ChatMessage("half"),), error=limited)
    copied = WAYS[way](limited)
    assert type(copied) is RateLimitError
    assert (str(copied), copied.status, copied.code, copied.retry_after, copied.headers, copied.body) == (
        "slow down",
        429,
        "rpm",
        2.0,
        {"x": "y"},
        {"a": 1},
    )
    assert copied.output is not None
    assert copied.output.text == "half"
    broken = WAYS[way](DecodeError("bad", event=3, offset=40))
    assert (str(broken), broken.event, broken.offset) == ("bad", 3, 40)
    assert stream.status == "pending"


def test_an_empty_default_can_not_be_filled() -> None:
    """It is shared by all messages, and can be encoded as a dict may be."""
    metadata: Any = ChatMessage().metadata
    with pytest.raises(TypeError, match="a dict of your own"):
        metadata["a"] = 1
    assert metadata == {}
    assert msgspec.json.decode(msgspec.json.encode(ChatMessage("a")))["metadata"] == {}


@pytest.mark.parametrize(
    "arguments", [("f", {"a": 1}), ("id", "f", '{"a": 1}'), ("id", "f", {}, {"a": 1}), (None, "f")]
)
def test_a_call_with_fields_of_another_type_is_refused(arguments: tuple[Any, ...]) -> None:
    """What was passed in another order is named where it is written."""
    with pytest.raises(TypeError, match=r"ToolCall\(id, name, arguments\)"):
        ToolCall(*arguments)


@pytest.mark.parametrize(
    ("where", "pass_it"),
    {
        "add_callback": lambda it: StreamedChatMessageIterator([]).add_callback(it),
        "add_callback of an async stream": lambda it: AsyncStreamedChatMessageIterator([]).add_callback(it),
        "on_callback_error": lambda it: StreamedChatMessageIterator([], on_callback_error=it),
        "close": lambda it: AsyncStreamedChatMessageIterator([], close=it),
        "close of bytes": lambda it: stream_bytes([], close=it),
        "on_callback_error of bytes": lambda it: astream_bytes(iter([]), on_callback_error=it),  # type: ignore[arg-type]
        "listener": post_streaming_response.connect,
        "listener by decorator": lambda it: streaming_failed.connect_via(None)(it),
        "filter": lambda it: OutputBuffer(print).start(it),
        "filter by name": lambda it: OutputBuffer(print).start(filter=it),
    }.items(),
)
def test_what_is_no_function_is_refused_at_once(where: str, pass_it: Callable[[Any], Any]) -> None:
    """Not when it would be called, which is at the end of the stream."""
    with pytest.raises(TypeError, match=r"needs a function \(.*\), not (str|tuple)"):
        pass_it("nope")
    with pytest.raises(TypeError, match="needs a function"):
        pass_it(("nope",))
