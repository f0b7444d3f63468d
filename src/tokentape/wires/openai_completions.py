"""OpenAI's legacy text completions, as OpenAI, vLLM, llama.cpp and others send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from tokentape.message import ChatMessage
from tokentape.wires.chunk_metadata import ChunkMetadata, chunk_metadata
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines
from tokentape.wires.json_document import parse_document, salvage
from tokentape.wires.openai_chat import FINISH_REASONS, stream_error
from tokentape.wires.openai_usage import openai_usage


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None
    finish_reason: str | None = None
    index: int | None = None


class _TextChoice(msgspec.Struct, gc=False):
    text: str
    finish_reason: None = None
    index: Literal[0] = 0


class _TextChunk(msgspec.Struct, gc=False):
    """A chunk that is text and nothing else: the types do the checking."""

    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: str | dict[str, Any] | None = None
    object: str | None = None


_decode_text_chunks = msgspec.json.Decoder(_TextChunk).decode_lines
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class OpenAICompletionsDecoder(EventDecoder):
    """Decodes a stream of text completion chunks.

    The stream has ended at `[DONE]`; some servers never send it, so a finish reason is enough at the end of the
    input.
    """

    terminal = "a finish reason or [DONE]"

    def __init__(self) -> None:
        super().__init__()
        self._begun: set[int] = set()
        self._finished: set[int] = set()

    def _decode_text(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        chunks = decode_lines(_decode_text_chunks, documents)
        if chunks is None:
            return None
        return [
            ChatMessage(chunk.choices[0].text, "assistant", metadata)
            for chunk, metadata in zip(chunks, chunk_metadata(documents, _read_metadata), strict=False)
        ]

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        try:
            chunk = _decode_chunk(document)
        except DecodeFailure:
            if document.strip() in (b"[DONE]", b""):
                self.ended = bool(document.strip())
                return ()
            chunk = salvage(self._parse(document), _Chunk)
        messages = self._messages(chunk, document)
        # Text comes in runs; a choice that has begun and not finished keeps the input from ending.
        self._text = len(messages) == 1 and bool(messages[0].text) and not messages[0].index
        return messages

    def _messages(self, chunk: _Chunk, document: bytes) -> Sequence[ChatMessage]:
        """The chunks of one event: one a choice, or one that holds usage or metadata alone."""
        error = chunk.error
        if error is None and chunk.object == "error":
            # vLLM's older shape has no "error" key.
            error = self._parse(document)
        usage = openai_usage(chunk.usage) if chunk.usage else None
        choices = chunk.choices or ()
        messages: list[ChatMessage] = []
        for position, choice in enumerate(choices):
            reason, index = choice.finish_reason, position if choice.index is None else choice.index
            self._begun.add(index)
            if reason:
                self._finished.add(index)
            messages.append(
                ChatMessage(
                    choice.text or "",
                    "assistant",
                    cast("Mapping[str, Any]", ChunkMetadata(document, _read_metadata, position)),
                    usage=usage if position == len(choices) - 1 else None,
                    finish_reason=FINISH_REASONS.get(reason, "other") if reason else None,
                    provider_finish_reason=reason or None,
                    index=index,
                )
            )
        self._complete = self._begun == self._finished and bool(choices or self._complete)
        if error:
            self._error = stream_error(error)
            self.ended = True
        elif not choices:
            metadata = cast("Mapping[str, Any]", ChunkMetadata(document, _read_metadata))
            messages.append(ChatMessage("", "assistant", metadata, usage=usage))
        return messages

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        return self._messages(salvage(body, _Chunk), msgspec.json.encode(body))


def _read_metadata(document: bytes, position: int) -> dict[str, Any]:
    chunk = parse_document(document)
    if not isinstance(chunk, dict):
        return {}
    choices = chunk.get("choices")
    metadata = {key: value for key, value in chunk.items() if key not in ("choices", "usage", "error")}
    if isinstance(choices, list) and position < len(choices) and isinstance(choices[position], dict):
        choice = choices[position]
        metadata |= {key: value for key, value in choice.items() if key not in _Choice.__struct_fields__}
    return metadata
