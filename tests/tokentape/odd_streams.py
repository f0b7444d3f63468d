"""Streams of events, and what is read of them however they are cut."""

from __future__ import annotations

import json
from typing import Any

from tests.cuts import ways
from tokentape import ChatMessage, ChatOutput, TokentapeError, stream_bytes


def sse(*events: Any) -> bytes:
    """Events as data lines, with the name that Anthropic gives them."""
    out = b""
    for event in events:
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        name = f"event: {event['type']}\n".encode() if isinstance(event, dict) and "type" in event else b""
        out += name + b"data: " + data + b"\n\n"
    return out


def delta(content: Any = None, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of OpenAI's."""
    return {"choices": [{"index": 0, "delta": {"content": content, **fields}, "finish_reason": reason}]}


STOP = delta(None, "stop")


def read(pieces: list[bytes], wire: str) -> tuple[list[ChatMessage], ChatOutput, str]:
    """Chunks, output and error of a stream."""
    stream = stream_bytes(pieces, wire)
    chunks: list[ChatMessage] = []
    error = ""
    try:
        chunks.extend(stream)
    except TokentapeError as caught:
        error = type(caught).__name__
        chunks = list(stream._received)
    return chunks, stream.get_chat_output(), error


def every_cut(body: bytes, wire: str) -> tuple[list[ChatMessage], ChatOutput, str]:
    """Read whole, in 1- and 2-byte pieces and at every split, which must all give the same."""
    chunks, output, error = read([body], wire)
    for pieces in ways(body):
        again_chunks, again, again_error = read(pieces, wire)
        assert (again_chunks, again.messages, again.usage, again_error) == (
            chunks,
            output.messages,
            output.usage,
            error,
        )
    return chunks, output, error


def described(chunks: list[ChatMessage]) -> list[tuple[Any, ...]]:
    """The content of chunks, in short."""
    rows = []
    for chunk in chunks:
        row: dict[str, Any] = {
            name: getattr(chunk, name)
            for name in ("text", "reasoning", "refusal", "finish_reason", "provider_finish_reason", "index", "block")
        }
        row["deltas"] = [(d.index, d.id, d.name, d.arguments, d.done) for d in chunk.tool_call_deltas]
        row["calls"] = [call.name for call in chunk.tool_calls]
        row["parts"] = list(chunk.parts)
        row["usage"] = chunk.usage and (chunk.usage.input, chunk.usage.output)
        rows.append(tuple((name, value) for name, value in row.items() if value not in ("", None, [], 0)))
    return rows


def start(index: int, **block: Any) -> dict[str, Any]:
    """The start of a content block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, **fields: Any) -> dict[str, Any]:
    """A delta of a content block."""
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index: int) -> dict[str, Any]:
    """The end of a content block."""
    return {"type": "content_block_stop", "index": index}


MESSAGE_START = {
    "type": "message_start",
    "message": {
        "id": "m",
        "model": "claude",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1},
    },
}
MESSAGE_DELTA = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}
MESSAGE_STOP = {"type": "message_stop"}
