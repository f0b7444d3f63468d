"""Streams of events as servers in the field send them, and what is read of them at every cut."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

from tests.cuts import ways
from tokentape import ChatOutput, DecodeError, TokentapeError, stream_bytes

CHAT = "openai_chat"
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


MESSAGE_START = {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {"input_tokens": 3}}}


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
