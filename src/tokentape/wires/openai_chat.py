"""OpenAI chat completions, and everybody who speaks it.

Dialects are told apart by what is in the data: reasoning as `reasoning_content`, `reasoning` or thinking parts;
usage in a chunk of its own, beside the choices or under `x_groq`; errors beside the choices or alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from tokentape.errors import ProviderError, provider_error_class
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, TextPart, ToolCallDelta
from tokentape.usage import TokenUsage
from tokentape.wires.chunk_metadata import ChunkMetadata, chunk_metadata
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines
from tokentape.wires.json_document import parse_document, salvage
from tokentape.wires.openai_usage import openai_usage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "error": "error",
}


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None
    audio: dict[str, Any] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = None
    message: _Delta | None = None


class _Groq(msgspec.Struct, gc=False):
    usage: dict[str, Any] | None = None
    error: str | dict[str, Any] | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: str | dict[str, Any] | None = None
    x_groq: _Groq | None = None
    object: str | None = None
    message: str | None = None


class _TextDelta(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A delta that is text and nothing else: the types do the checking."""

    content: str
    role: Literal["assistant"] | None = None
    reasoning_content: Literal[""] | None = None
    reasoning: Literal[""] | None = None
    refusal: Literal[""] | None = None
    tool_calls: None = None
    function_call: None = None


class _TextChoice(msgspec.Struct, gc=False):
    delta: _TextDelta
    finish_reason: None = None
    index: Literal[0] = 0


class _TextChunk(msgspec.Struct, gc=False):
    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None
    x_groq: None = None


_NO_DELTA = _Delta()
_decode_text_chunks = msgspec.json.Decoder(_TextChunk).decode_lines
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class OpenAIChatDecoder(EventDecoder):
    """Decodes a stream of chat completion chunks.

    The stream has ended at `[DONE]`; some servers never send it, so a finish reason for each choice is enough at the
    end of the input.
    """

    terminal = "a finish reason or [DONE]"

    def __init__(self) -> None:
        super().__init__()
        self._text = True
        self._choices: set[int] = set()
        self._finished: set[int] = set()

    def _decode_text(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        chunks = decode_lines(_decode_text_chunks, documents)
        if chunks is None:
            return None
        self._note_choice(0, finished=False)
        return [
            ChatMessage(chunk.choices[0].delta.content, "assistant", metadata)
            for chunk, metadata in zip(chunks, chunk_metadata(documents, _read_metadata), strict=False)
        ]

    def _note_choice(self, index: int, *, finished: bool) -> None:
        """The input may end once every choice that was begun is finished."""
        self._choices.add(index)
        if finished:
            self._finished.add(index)
        self._complete = self._choices == self._finished

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        try:
            chunk = _decode_chunk(document)
        except DecodeFailure:
            if document.strip() in (b"[DONE]", b""):
                self.ended = bool(document.strip())
                return ()
            chunk = salvage(self._parse(document), _Chunk)
        messages = self._messages(chunk, document)
        # Text mostly comes in runs, and so does what is not text.
        self._text = len(messages) == 1 and bool(messages[0].text) and messages[0].finish_reason is None
        return messages

    def _messages(self, chunk: _Chunk, document: bytes) -> Sequence[ChatMessage]:
        """The chunks of one event: one a choice, or one that holds usage or metadata alone."""
        raw_usage = chunk.usage
        error = chunk.error
        if chunk.x_groq is not None:
            raw_usage = raw_usage or chunk.x_groq.usage
            error = error or chunk.x_groq.error
        if error is None and chunk.object == "error":
            # Mistral's own shape has no "error" key.
            error = self._parse(document)
        usage = openai_usage(raw_usage) if raw_usage else None
        choices = chunk.choices or ()
        messages: list[ChatMessage] = []
        for position, choice in enumerate(choices):
            metadata = cast("Mapping[str, Any]", ChunkMetadata(document, _read_metadata, position))
            last = position == len(choices) - 1
            messages.append(self._message(choice, position, metadata, usage if last else None))
        if error:
            self._error = stream_error(error)
            # A bare error ends the stream; one beside a choice is followed by a chunk with the usage.
            self.ended = not choices
        elif not choices:
            metadata = cast("Mapping[str, Any]", ChunkMetadata(document, _read_metadata, 0))
            messages.append(ChatMessage("", "assistant", metadata, usage=usage))
        return messages

    def _message(
        self, choice: _Choice, position: int, metadata: Mapping[str, Any], usage: TokenUsage | None
    ) -> ChatMessage:
        delta = choice.delta or choice.message or _NO_DELTA
        reason = choice.finish_reason
        index = position if choice.index is None else choice.index
        self._note_choice(index, finished=bool(reason))
        text, reasoning, parts = _content(delta.content)
        reasoning += delta.reasoning_content or delta.reasoning or ""
        for detail in delta.reasoning_details or ():
            part = _reasoning_part(detail, spoken=bool(reasoning))
            if part is not None:
                reasoning += part.text
                parts.append(part)
        if delta.annotations:
            parts.append(TextPart("", tuple(delta.annotations)))
        parts.extend(ProviderPart("image", image) for image in delta.images or () if isinstance(image, dict))
        if delta.audio:
            parts.append(ProviderPart("audio", delta.audio))
        return ChatMessage(
            text,
            "assistant",
            metadata,
            reasoning,
            tool_call_deltas=_tool_call_deltas(delta),
            usage=usage,
            finish_reason=FINISH_REASONS.get(reason, "other") if reason else None,
            provider_finish_reason=reason or None,
            index=index,
            refusal=delta.refusal or "",
            parts=tuple(parts),
        )

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        return self._messages(salvage(body, _Chunk), msgspec.json.encode(body))


def _content(content: str | list[Any] | None) -> tuple[str, str, list[Part]]:
    """Text, reasoning and other parts of a delta's content, which is a string, or a list of typed parts."""
    if content is None:
        return "", "", []
    if isinstance(content, str):
        return content, "", []
    text, reasoning, parts = "", "", list[Part]()
    for part in content:
        if not isinstance(part, dict):
            text += part if isinstance(part, str) else ""
            continue
        match part.get("type"):
            case "text" | "output_text":
                text += _string(part.get("text"))
            case "thinking" | "reasoning":
                inner = part.get("thinking", part.get("text"))
                if isinstance(inner, list):
                    inner = "".join(_string(piece.get("text")) for piece in inner if isinstance(piece, dict))
                reasoning += _string(inner)
                if part.get("signature"):
                    parts.append(ReasoningPart("", _string(part["signature"])))
            case kind:
                parts.append(ProviderPart(_string(kind), part))
    return text, reasoning, parts


def _reasoning_part(detail: Any, *, spoken: bool) -> ReasoningPart | None:
    """What a reasoning detail adds beyond the reasoning text beside it: signature, encrypted text, or the text."""
    if not isinstance(detail, dict):
        return None
    text = "" if spoken else _string(detail.get("text") or detail.get("summary"))
    signature, encrypted = _string(detail.get("signature")), _string(detail.get("data"))
    return ReasoningPart(text, signature, encrypted) if text or signature or encrypted else None


def _tool_call_deltas(delta: _Delta) -> tuple[ToolCallDelta, ...]:
    if delta.tool_calls:
        return tuple(_tool_call_delta(call.index, call.id or "", call.function) for call in delta.tool_calls)
    if delta.function_call is not None:
        return (_tool_call_delta(0, "", delta.function_call),)
    return ()


def _tool_call_delta(index: int | None, id: str, function: _Function | None) -> ToolCallDelta:  # noqa: A002
    if function is None:
        return ToolCallDelta(index, id)
    arguments = function.arguments
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCallDelta(index, id, function.name or "", arguments or "")


def stream_error(error: Any, status: int | None = None) -> ProviderError:
    """Make the error that a provider put in a stream, or in a body, in the shape that OpenAI's format has."""
    if not isinstance(error, Mapping):
        return provider_error_class(status)(str(error), status=status, body=error)
    kind, code = error.get("type"), error.get("code")
    for candidate in (error.get("status_code"), error.get("raw_status_code"), error.get("status"), code):
        if status is None and isinstance(candidate, int | str) and _STATUS.fullmatch(str(candidate)):
            status = int(candidate)
    kind = kind if isinstance(kind, str) else None
    message = _string(error.get("message")) or "the provider gave no message"
    error_class = provider_error_class(status, kind)
    if error_class is ProviderError and isinstance(code, str):
        error_class = provider_error_class(None, code)
    return error_class(
        message,
        status=status,
        type=kind,
        code=None if code is None else str(code),
        param=error.get("param") if isinstance(error.get("param"), str) else None,
        body=error,
    )


def _read_metadata(document: bytes, position: int) -> dict[str, Any]:
    chunk = parse_document(document)
    if not isinstance(chunk, dict):
        return {}
    choices = chunk.get("choices")
    metadata = {key: value for key, value in chunk.items() if key not in ("choices", "usage", "error")}
    if isinstance(choices, list) and position < len(choices) and isinstance(choices[position], dict):
        choice = choices[position]
        metadata |= {k: v for k, v in choice.items() if k not in ("delta", "message", "index", "finish_reason")}
        delta = choice.get("delta", choice.get("message"))
        if isinstance(delta, dict):
            metadata |= {key: value for key, value in delta.items() if key not in _DELTA_FIELDS}
    return metadata


_STATUS = re.compile("[45][0-9][0-9]")
_DELTA_FIELDS = {*_Delta.__struct_fields__, "role"}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
