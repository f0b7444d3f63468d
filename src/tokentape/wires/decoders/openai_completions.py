"""OpenAI's legacy text completions, as OpenAI, vLLM, llama.cpp and others send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tokentape.message import ChatMessage
from tokentape.stream.chunk_metadata import lazy_metadata
from tokentape.wires.decoders.openai_chat import FINISH_REASONS, read_metadata
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines, text_chunks
from tokentape.wires.finish import finish_of
from tokentape.wires.json_document import salvage
from tokentape.wires.openai_usage import openai_usage
from tokentape.wires.stream_error import error_of, stream_error


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None
    finish_reason: str | None = None
    index: int | None = None
    logprobs: Any = None
    error: Any = None


class _TextChoice(msgspec.Struct, gc=False):
    text: str
    finish_reason: None = None
    index: Literal[0] = 0
    logprobs: None = None
    error: None = None


class _TextChunk(msgspec.Struct, gc=False):
    """A chunk that contains only text; its type rejects anything else."""

    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


_text_chunk = msgspec.json.Decoder(_TextChunk)
_decode_text_chunk, _decode_text_chunks = _text_chunk.decode, _text_chunk.decode_lines
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class OpenAICompletionsDecoder(EventDecoder):
    """Decodes a stream of text completion chunks.

    The stream ends with `[DONE]`. Some servers never send it, so the input may also end once each choice has a finish
    reason.
    """

    terminal = "a finish reason or [DONE]"
    request_paths = ("/completions",)
    sdk_modules = ("openai.types.completion",)

    def __init__(self) -> None:
        super().__init__()
        self._started: set[int] = set()
        self._finished: set[int] = set()

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        chunks = decode_lines(_decode_text_chunks, documents)
        if chunks is None:
            return None
        return text_chunks([chunk.choices[0].text for chunk in chunks], documents, _read_metadata)

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        try:
            text = _decode_text_chunk(document).choices[0].text
        except DecodeFailure:
            return None
        return ChatMessage(text, "assistant", lazy_metadata(document, _read_metadata))

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        chunk = self._typed(_decode_chunk, document, _Chunk)
        if chunk is None:
            return ()
        messages = self._messages(chunk, document)
        # Text arrives in runs.
        self._text = len(messages) == 1 and bool(messages[0].text) and not messages[0].index
        return messages

    def _messages(self, chunk: _Chunk, document: bytes) -> Sequence[ChatMessage]:
        """Return the chunks of one event: one per choice, or one with only usage or metadata."""
        error = chunk.error
        usage = openai_usage(chunk.usage) if chunk.usage else None
        choices = chunk.choices or ()
        if not error and not choices and usage is None:
            error = error_of(self._parse(document))
        messages: list[ChatMessage] = []
        for position, choice in enumerate(choices):
            index = position if choice.index is None else choice.index
            finish = finish_of(choice.finish_reason, FINISH_REASONS)
            self._started.add(index)
            if finish.raw:
                self._finished.add(index)
            error = error or choice.error
            metadata = lazy_metadata(document, _read_metadata, position)
            if choice.logprobs is not None:
                metadata = dict(metadata)  # log probabilities are joined over all chunks, so they are read now
            messages.append(
                ChatMessage(
                    choice.text or "",
                    "assistant",
                    metadata,
                    usage=usage if position == len(choices) - 1 else None,
                    finish_reason=finish.reason,
                    provider_finish_reason=finish.raw,
                    index=index,
                )
            )
        self._complete = self._started == self._finished and bool(choices or self._complete)
        if error:
            self._error = stream_error(error)
            self.ended = not choices
        elif not choices:
            metadata = lazy_metadata(document, _read_metadata)
            messages.append(ChatMessage("", "assistant", metadata, usage=usage))
        return messages

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        return self._messages(salvage(body, _Chunk, self._unread), msgspec.json.encode(body))


def _read_metadata(document: bytes, position: int) -> dict[str, Any]:
    return read_metadata(document, position, ("text", "finish_reason", "index", "error"))


DECODER = OpenAICompletionsDecoder
