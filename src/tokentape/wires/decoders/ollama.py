"""Ollama's own API: /api/chat and /api/generate.

Each line of a stream has the fields of a response that is not streamed. The reference is docs.ollama.com/api.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.framing.ndjson import NDJSONFraming
from tokentape.message import ChatMessage, ProviderPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata
from tokentape.usage import TokenUsage
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines, text_chunks
from tokentape.wires.finish import finish_of
from tokentape.wires.json_document import as_text, members_without, parse_object, raw_json, salvage
from tokentape.wires.openai_usage import count
from tokentape.wires.stream_error import error_of, stream_error

# Ollama itself sends `stop`, `length`, `load` or `unload`; the others come from servers with the same API.
FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "error": "error",
}


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _ToolCall(msgspec.Struct, gc=False):
    id: str | int | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None
    images: list[str] | None = None
    error: Any = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None
    image: str | None = None
    done: bool | None = None
    done_reason: str | None = None
    logprobs: Any = None
    error: Any = None


class _TextMessage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A message that contains only text; its type rejects anything else."""

    content: str
    role: Literal["assistant"] = "assistant"
    thinking: Literal[""] | None = None
    tool_calls: None = None
    images: None = None


class _TextLine(msgspec.Struct, gc=False):
    done: bool
    message: _TextMessage | None = None
    response: str | None = None
    thinking: Literal[""] | None = None
    tool_calls: None = None
    image: None = None
    logprobs: None = None
    error: None = None


_NO_MESSAGE = _Message()
_NO_FUNCTION = _Function()
_text_line = msgspec.json.Decoder(_TextLine)
_decode_text_line, _decode_text_lines = _text_line.decode, _text_line.decode_lines
_decode_line = msgspec.json.Decoder(_Line).decode


class OllamaDecoder(EventDecoder):
    """Decodes the lines of a stream, which ends with the line that is `done`.

    Tool calls are sent whole, usually without an id.
    """

    framing = NDJSONFraming
    terminal = "the line with done: true"
    request_paths = ("/api/chat", "/api/generate")
    sdk_modules = ("ollama",)

    def __init__(self) -> None:
        super().__init__()
        self._text = True

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        lines = decode_lines(_decode_text_lines, documents)
        if lines is None:
            return None
        if lines[-1].done:
            del lines[-1]
        texts = [line.response if line.message is None else line.message.content for line in lines if not line.done]
        if None in texts or len(texts) < len(lines):
            return None
        return text_chunks(texts, documents, _read_metadata)  # type: ignore[arg-type]

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        try:
            line = _decode_text_line(document)
        except DecodeFailure:
            return None
        text = line.response if line.message is None else line.message.content
        if line.done or text is None:
            return None
        return ChatMessage(text, "assistant", lazy_metadata(document, _read_metadata))

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        try:
            line = _decode_line(document)
        except DecodeFailure:
            line = self._salvage(document, _Line)
        messages = self._messages(line, document)
        # Text usually arrives in runs, and so do other deltas.
        self._text = bool(messages) and bool(messages[0].text)
        return messages

    def _messages(self, line: _Line, document: bytes) -> Sequence[ChatMessage]:
        message = line.message or _NO_MESSAGE
        is_bare = line.message is None and line.response is None
        error = line.error or message.error
        if not error and is_bare and not line.done:
            error = error_of(self._parse(document))
        if error:
            self._fail(error, document)
            if is_bare:
                return ()
        calls = tuple(_tool_call(call) for call in (*(message.tool_calls or ()), *(line.tool_calls or ())))
        images = (*(message.images or ()), *((line.image,) if line.image else ()))
        self.ended = self.ended or bool(line.done)
        finish = finish_of(line.done_reason if line.done else None, FINISH_REASONS)
        metadata = lazy_metadata(document, _read_metadata)
        if line.logprobs is not None:
            metadata = dict(metadata)  # log probabilities are joined over all chunks, so they are read now
        chunk = ChatMessage(
            (message.content or "") + (line.response or ""),
            "assistant",
            metadata,
            (message.thinking or "") + (line.thinking or ""),
            tool_call_deltas=calls,
            usage=ollama_usage(self._parse(document)) if line.done else None,
            finish_reason=finish.reason,
            provider_finish_reason=finish.raw,
            parts=tuple(ProviderPart("image", {"data": image}) for image in images),
        )
        return (chunk,)

    def _fail(self, error: Any, document: bytes) -> None:
        detail = self._parse(document)
        # Ollama reports the status that its cloud models responded with.
        status = next((code for key in ("status_code", "StatusCode") if (code := count(detail, key))), None)
        self._error = failed = stream_error(error, status)
        if not isinstance(error, dict):
            failed.body = detail
        self.ended = True

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        return self._messages(salvage(body, _Line, self._unread), msgspec.json.encode(body))


def ollama_usage(line: Mapping[str, Any]) -> TokenUsage | None:
    """Read the counts in the last line; its durations (ns) are in `raw`.

    Recordings of 2024 have no `prompt_eval_count` if the server had the prompt in its cache.
    """
    raw = {key: line[key] for key in _COUNTS if line.get(key) is not None}
    return TokenUsage(count(raw, "prompt_eval_count"), count(raw, "eval_count"), raw=raw) if raw else None


_COUNTS = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)


def _tool_call(call: _ToolCall) -> ToolCallDelta:
    function = call.function or _NO_FUNCTION
    return ToolCallDelta(None, as_text(call.id), function.name or "", raw_json(function.arguments), done=True)


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    line = parse_object(document)
    return members_without(line, _CONTENT) | members_without(line.get("message"), {*_CONTENT, "role"})


_CONTENT = {"message", "error", "content", "response", "thinking", "tool_calls", "images", "image"}


DECODER = OllamaDecoder
