"""Broken between the decoder and the reader: chunks that are dropped, changed or merged."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage

replace = msgspec.structs.replace


class Changed(Ground):
    """Each chunk is changed by itself, or dropped."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        for chunk in chunks:
            changed = self.changed(chunk)
            if changed is not None:
                yield changed

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        """The chunk that the iterator gets."""
        return chunk


@broken("text/zero", "text/zero-alone", "text/falsy-words")
class DropsZero(Changed):
    """A text "0" is dropped, as PHP's empty() has it."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return None if chunk.text in ("0", "0.0") else chunk


@broken("text/falsy-words")
class DropsNothings(Changed):
    """Words that stand for nothing are taken for nothing."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return None if chunk.text in ("null", "None", "false") else chunk


@broken("text/white-space", "text/as-pieces", "text/concatenated")
class StripsPieces(Changed):
    """The white space around each piece is taken away."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, text=chunk.text.strip())


@broken("text/white-space")
class DropsBlankPieces(Changed):
    """A piece of nothing but white space is dropped."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return None if chunk.text and not chunk.text.strip() else chunk


@broken("text/unicode")
class BasicPlaneOnly(Changed):
    """Characters beyond the basic plane are lost, as in a utf8 column of three bytes."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, text="".join(character for character in chunk.text if ord(character) < 0x10000))


@broken("text/unicode")
class Normalizes(Changed):
    """Combining characters are composed."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        import unicodedata

        return replace(chunk, text=unicodedata.normalize("NFC", chunk.text))


@broken("text/separators")
class EndsAtSeparators(Changed):
    """What follows a line separator in a piece is lost."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, text=(chunk.text.splitlines() or [""])[0]) if chunk.text.strip("\r\n") else chunk


@broken("text/escapes")
class UnescapesTwice(Changed):
    """Escapes in the text are resolved once more."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, text=chunk.text.replace("\\n", "\n").replace("\\\\", "\\"))


@broken("text/long-piece")
class CutsLongPieces(Changed):
    """A piece longer than 64 KiB is cut there."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, text=chunk.text[:65536])


@broken("text/many-pieces")
class StopsAtManyPieces(Ground):
    """After 256 chunks nothing more is handed over."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        for number, chunk in enumerate(chunks):
            yield replace(chunk, text="") if number >= 256 else chunk


@broken("text/concatenated", "text/zero", "text/many-pieces", "splits/one-chunk", "buffers/whole-stream")
class DropsTheLastPiece(Ground):
    """The last piece of text is lost."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        held: ChatMessage | None = None
        for chunk in chunks:
            if chunk.text:
                if held is not None:
                    yield held
                held = chunk
            else:
                yield chunk


@broken("text/as-pieces", "lazy/one-chunk-at-a-time", "status/streaming")
class HoldsTextBack(Ground):
    """All text comes in one chunk, at the end."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        text = ""
        for chunk in chunks:
            text += chunk.text
            yield replace(chunk, text="")
        yield ChatMessage(text)


@broken("text/reasoning-apart")
class ReasoningIsText(Changed):
    """Reasoning is handed over as text."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, text=chunk.reasoning + chunk.text, reasoning="")


@broken("text/reasoning-apart", "replay/reasoning")
class DropsReasoning(Changed):
    """Reasoning is lost."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, reasoning="")


@broken("text/refusal-apart")
class DropsRefusals(Changed):
    """A refusal is lost."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, refusal="")


@broken("text/empty-answer", "event/empty-stream", "callbacks/empty-stream", "usage/zero")
class EmptyAnswerIsAnError(Ground):
    """A stream without text raises."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        text = ""
        for chunk in chunks:
            text += chunk.text
            yield chunk
        if not text:
            raise ValueError("there was no text")
