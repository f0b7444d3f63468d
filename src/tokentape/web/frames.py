"""The frames that are sent to a browser for the messages of a stream; no I/O.

`text`: the text itself. `sse`: JSON in server-sent events; chunks have no event name, the last event is `done`
or `error`. `ndjson`: one JSON object per line, whose `type` is `message`, `done`, `error` or `heartbeat`.
`ui-message-stream` has its own module.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, assert_never, get_args

import msgspec

from tokentape.errors import ConfigurationError, ProviderError, TokentapeError
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput

Format: TypeAlias = Literal["text", "sse", "ndjson", "ui-message-stream"]
"""The format of a response: plain text, server-sent events, one JSON document per line, or the server-sent events that
`useChat` of the Vercel AI SDK reads."""

PlainFormat: TypeAlias = Literal["text", "sse", "ndjson"]
"""The formats in which a frame depends on its message alone."""

CONTENT_TYPES: Mapping[Format, str] = {
    "text": "text/plain; charset=utf-8",
    "sse": "text/event-stream; charset=utf-8",
    "ndjson": "application/x-ndjson; charset=utf-8",
    "ui-message-stream": "text/event-stream; charset=utf-8",
}

UNBUFFERED: Mapping[str, str] = {
    "cache-control": "no-cache",
    "surrogate-control": "no-store",
    "x-accel-buffering": "no",
}
"""Headers that make caches and proxies forward each frame at once."""


def check_format(format: str, heartbeat: float | None) -> None:  # noqa: A002 - the parameter's own name
    """Raise ConfigurationError if there is no such format, or if it has no heartbeat but one is set."""
    if format not in get_args(Format):
        *known, last = map(repr, get_args(Format))
        raise ConfigurationError(f"format is {format!r}; it can be {', '.join(known)} or {last}")
    if heartbeat is None:
        return
    if format == "text":
        raise ConfigurationError("plain text can't contain a heartbeat: use another format, such as 'sse'")


def response_headers(format: Format, headers: Mapping[str, str | None] | None = None) -> dict[str, str]:  # noqa: A002
    """Return the headers of a streamed response; `headers` adds or replaces some, and the value None removes one."""
    merged: dict[str, str | None] = {"content-type": CONTENT_TYPES[format], **UNBUFFERED}
    if format == "ui-message-stream":
        merged["x-vercel-ai-ui-message-stream"] = "v1"
    merged |= {name.lower(): value for name, value in (headers or {}).items()}
    return {name: value for name, value in merged.items() if value is not None}


def message_frame(message: ChatMessage, format: PlainFormat) -> bytes:  # noqa: A002
    """Return the frame of one chunk; empty if there is nothing to send. Plain text has only the first choice."""
    require_message(message)
    match format:
        case "text":
            return message.text.encode("utf-8", "replace") if message.index == 0 else b""
        case "sse" | "ndjson":
            fields = _message_fields(message)
            return _object("message", fields, format) if fields else b""
        case _:
            assert_never(format)


def end_frame(output: ChatOutput | None, format: PlainFormat) -> bytes:  # noqa: A002
    """Return the frame that marks the stream as complete."""
    if format == "text":
        return b""
    return _object("done", end_fields(output), format)


def stopped_frame(output: ChatOutput | None, format: PlainFormat) -> bytes:  # noqa: A002
    """Return the frame that marks the stream as stopped on purpose, before it was complete."""
    return b"" if format == "text" else _object("done", end_fields(output) | {"stopped": True}, format)


def end_fields(output: ChatOutput | None) -> dict[str, Any]:
    """Return what is reported of a complete stream: finish reason and usage."""
    if output is None:
        return {}
    usage = {
        name: value
        for name, value in msgspec.structs.asdict(output.usage).items()
        if name != "raw" and value is not None
    }
    return {"finish_reason": output.finish_reason, "usage": usage}


def error_frame(error: BaseException, format: PlainFormat) -> bytes:  # noqa: A002
    """Return the frame that marks the stream as broken."""
    fields = error_fields(error)
    if format == "text":
        return f"\n\n[{fields['message']}: {fields['type']}]\n".encode()
    return _object("error", {"error": fields}, format)


def error_fields(error: BaseException) -> dict[str, Any]:
    """Return what is reported of an error: its class but not its message, in which a provider may repeat what the
    reader must not see.
    """
    fields: dict[str, Any] = {
        "type": type(error).__name__ if isinstance(error, TokentapeError) else "InternalError",
        "message": "the stream broke off before it was complete",
    }
    if isinstance(error, ProviderError):
        fields |= {
            name: value
            for name, value in (("status", error.status), ("retry_after", error.retry_after))
            if value is not None
        }
    return fields


def error_report(error: BaseException) -> str:
    """Return what a log reports of an error: its class and its place, but not its message, in which a provider may
    repeat a secret; of a wrong setting also the message, which is the library's own.
    """
    if isinstance(error, ConfigurationError):
        return f"ConfigurationError: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}, in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}"


def require_message(message: object) -> None:
    """Raise ConfigurationError for an item of a stream that is not a message."""
    if not isinstance(message, ChatMessage):
        raise ConfigurationError(
            f"the stream has sent an item of the type {type(message).__name__}; it must be a ChatMessage: pass the "
            "stream of a provider's own SDK through wrap() first"
        )


def heartbeat_frame(format: PlainFormat) -> bytes:  # noqa: A002
    """Return a frame without content that keeps the connection alive: a comment, if the format has comments."""
    return b": heartbeat\n\n" if format == "sse" else _object("heartbeat", {}, format)


def output_of(stream: object) -> ChatOutput | None:
    """Return the output of a stream and its follow-ups; None for an iterator that does not keep it."""
    combined = getattr(stream, "get_combined_output", None)
    output: ChatOutput | None = combined() if combined is not None else None
    return output


def _message_fields(message: ChatMessage) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "text": message.text,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": call.arguments, "valid": call.valid}
            for call in message.tool_calls
        ],
        "finish_reason": message.finish_reason,
    }
    fields = {name: value for name, value in fields.items() if value}
    if fields and message.index:
        fields["index"] = message.index
    return fields


def _object(kind: str, fields: Mapping[str, Any], format: PlainFormat) -> bytes:  # noqa: A002
    if format == "ndjson":
        return json_document({"type": kind, **fields}) + b"\n"
    event = b"" if kind == "message" else b"event: " + kind.encode() + b"\n"
    return event + b"data: " + json_document(fields) + b"\n\n"


def json_document(value: Mapping[str, Any]) -> bytes:
    """Return a value as JSON in UTF-8; a lone surrogate becomes a question mark."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate
        clean = without_surrogates(value)
        return msgspec.json.encode(clean)


def without_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which UTF-8 can't encode, in a value."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {without_surrogates(name): without_surrogates(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    return value
