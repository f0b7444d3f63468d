"""What is sent to a browser for each message of a stream: frames of bytes, made without I/O.

`text`: the text itself. `sse`: JSON in server-sent events; chunks are plain messages, the last event is `done`
or `error`. `ndjson`: one JSON object a line, whose `type` is `message`, `done`, `error` or `heartbeat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, assert_never, get_args

import msgspec

from tokentape.errors import ConfigurationError, ProviderError, TokentapeError
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput

Format: TypeAlias = Literal["text", "sse", "ndjson"]
"""What a response is written as: bare text, server-sent events, or one JSON document a line."""

CONTENT_TYPES: Mapping[Format, str] = {
    "text": "text/plain; charset=utf-8",
    "sse": "text/event-stream; charset=utf-8",
    "ndjson": "application/x-ndjson; charset=utf-8",
}

UNBUFFERED: Mapping[str, str] = {
    "cache-control": "no-cache",
    "surrogate-control": "no-store",
    "x-accel-buffering": "no",
}
"""Headers that tell caches and proxies to pass each frame on as it comes."""


def check_format(format: str, heartbeat: float | None) -> None:  # noqa: A002 - the parameter's own name
    """Raise ConfigurationError if there is no such format, or no heartbeat in it."""
    if format not in get_args(Format):
        raise ConfigurationError(f"format is {format!r}; it can be 'text', 'sse' or 'ndjson'")
    if heartbeat is None:
        return
    if format == "text":
        raise ConfigurationError("plain text has no room for a heartbeat: use format='sse' or 'ndjson'")


def response_headers(format: Format, headers: Mapping[str, str | None] | None = None) -> dict[str, str]:  # noqa: A002
    """The headers of a streamed response; `headers` are added or take their place, None takes one out."""
    merged: dict[str, str | None] = {"content-type": CONTENT_TYPES[format], **UNBUFFERED}
    merged |= {name.lower(): value for name, value in (headers or {}).items()}
    return {name: value for name, value in merged.items() if value is not None}


def message_frame(message: ChatMessage, format: Format) -> bytes:  # noqa: A002
    """The frame of one chunk; empty if there is nothing in it for a reader. Plain text is the first choice's."""
    match format:
        case "text":
            return message.text.encode("utf-8", "replace") if message.index == 0 else b""
        case "sse" | "ndjson":
            said = _said(message)
            return _object("message", said, format) if said else b""
        case _:
            assert_never(format)


def end_frame(output: ChatOutput | None, format: Format) -> bytes:  # noqa: A002
    """The frame that says that the stream is complete."""
    if format == "text":
        return b""
    said: dict[str, Any] = {}
    if output is not None:
        usage = {
            name: value
            for name, value in msgspec.structs.asdict(output.usage).items()
            if name != "raw" and value is not None
        }
        said = {"finish_reason": output.finish_reason, "usage": usage}
    return _object("done", said, format)


def error_frame(error: BaseException, format: Format) -> bytes:  # noqa: A002
    """The frame that says that the stream broke off. It names the kind of error and nothing of its text,
    in which a provider may repeat what is not the reader's to see.
    """
    said: dict[str, Any] = {
        "type": type(error).__name__ if isinstance(error, TokentapeError) else "InternalError",
        "message": "the stream broke off before it was complete",
    }
    if isinstance(error, ProviderError):
        said |= {
            name: value
            for name, value in (("status", error.status), ("retry_after", error.retry_after))
            if value is not None
        }
    if format == "text":
        return f"\n\n[{said['message']}: {said['type']}]\n".encode()
    return _object("error", {"error": said}, format)


def heartbeat_frame(format: Format) -> bytes:  # noqa: A002
    """A frame that says nothing but that the connection lives: a comment, where the format has one."""
    return b": heartbeat\n\n" if format == "sse" else _object("heartbeat", {}, format)


def output_of(stream: object) -> ChatOutput | None:
    """The output of a stream and its follow-ups, if it is one that keeps it."""
    combined = getattr(stream, "get_combined_output", None)
    output: ChatOutput | None = combined() if combined is not None else None
    return output


def _said(message: ChatMessage) -> dict[str, Any]:
    said: dict[str, Any] = {
        "text": message.text,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": call.arguments, "valid": call.valid}
            for call in message.tool_calls
        ],
        "finish_reason": message.finish_reason,
    }
    said = {name: value for name, value in said.items() if value}
    if said and message.index:
        said["index"] = message.index
    return said


def _object(kind: str, said: Mapping[str, Any], format: Format) -> bytes:  # noqa: A002
    if format == "ndjson":
        return _json({"type": kind, **said}) + b"\n"
    event = b"" if kind == "message" else b"event: " + kind.encode() + b"\n"
    return event + b"data: " + _json(said) + b"\n\n"


def _json(value: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate
        clean = without_surrogates(value)
        return msgspec.json.encode(clean)


def without_surrogates(value: Any) -> Any:
    """The same value with lone surrogates replaced, which UTF-8 has no place for."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {without_surrogates(name): without_surrogates(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    return value
