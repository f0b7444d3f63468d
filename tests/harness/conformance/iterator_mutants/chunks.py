"""Broken between the decoder and the reader: chunks that are dropped, changed or merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tests.harness.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, TokenUsage, ToolCallDelta
from tokentape_harness.conformance.iterator import SyncSource

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
            raise ValueError("nothing was said")


@broken("usage/trailing-chunk", "usage/counts", "usage/output-and-event")
class StopsAtTheFinishReason(Ground):
    """Nothing is read after the finish reason."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        for chunk in chunks:
            yield chunk
            if chunk.finish_reason is not None:
                return


@broken("usage/beside-the-finish-reason")
class UsageInItsOwnChunkOnly(Changed):
    """Usage counts only in a chunk that says nothing else."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, usage=None) if chunk.finish_reason else chunk


@broken("usage/last-report-wins")
class FirstReportWins(Ground):
    """The first usage that is reported counts."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        reported = False
        for chunk in chunks:
            yield replace(chunk, usage=None) if reported else chunk
            reported = reported or chunk.usage is not None


@broken("usage/last-report-wins")
class SumsUsage(Ground):
    """Usage is added up over all chunks."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        sums = {"input": 0, "output": 0}
        for chunk in chunks:
            if chunk.usage is not None:
                sums = {name: count + (getattr(chunk.usage, name) or 0) for name, count in sums.items()}
                yield replace(chunk, usage=TokenUsage(**sums))
            else:
                yield chunk


@broken("usage/each-field-for-itself", "usage/while-streaming", wire="anthropic_messages")
class LastReportErases(Ground):
    """What an earlier report said is forgotten."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            yield chunk.replace(b'"usage":', b'"forgotten":') if b"message_start" in chunk else chunk


@broken("usage/while-streaming", wire="anthropic_messages")
class UsageAtTheEnd(Ground):
    """Usage is known at the end only."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        held: list[ChatMessage] = []
        for chunk in chunks:
            if chunk.usage is not None:
                held.append(ChatMessage(usage=chunk.usage))
            yield replace(chunk, usage=None)
        yield from held


@broken("finish/on-a-chunk", "finish/stop", "finish/output-and-event")
class DropsTheFinishReason(Changed):
    """Chunks lose their finish reason."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, finish_reason=None, provider_finish_reason=None)


def mapped(reason: str) -> type[Changed]:
    """Takes one finish reason for `stop`."""

    class Mapped(Changed):
        def changed(self, chunk: ChatMessage) -> ChatMessage | None:
            return replace(chunk, finish_reason="stop") if chunk.finish_reason == reason else chunk

    Mapped.__name__ = f"Takes{reason.title().replace('_', '')}ForStop"
    Mapped.__doc__ = f"The finish reason {reason} is told as stop."
    return Mapped


broken("finish/length", "finish/on-a-chunk", "choices/finish-reasons", "replay/output")(mapped("length"))
broken("finish/tool-calls")(mapped("tool_calls"))
broken("finish/content-filter")(mapped("content_filter"))
broken("finish/refusal", wire="anthropic_messages")(mapped("refusal"))
broken("finish/pause", wire="anthropic_messages")(mapped("pause"))
broken("finish/unknown")(mapped("other"))


@broken("finish/unknown")
class RefusesUnknownReasons(Changed):
    """A finish reason that it does not know raises."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        if chunk.finish_reason == "other":
            raise KeyError(chunk.provider_finish_reason)
        return chunk


@broken("finish/none-before")
class StopUnlessToldOtherwise(Changed):
    """Every chunk says stop, until another reason comes."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, finish_reason=chunk.finish_reason or "stop")


@broken("choices/apart", "choices/chunks", "choices/tool-calls", "choices/finish-reasons")
class OneChoice(Changed):
    """All choices are taken for the first."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, index=0)


@broken("choices/apart", "choices/finish-reasons")
class FirstChoiceOnly(Changed):
    """Choices after the first are dropped."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return None if chunk.index else chunk


@broken("output/response-id", "event/model")
class DropsMetadata(Changed):
    """What the provider says beside the message is lost."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, metadata={}, model=None)


class Fragments(Changed):
    """The fragments of tool calls are changed."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        deltas = tuple(self.fragment(delta) for delta in chunk.tool_call_deltas)
        return replace(chunk, tool_call_deltas=deltas)

    def fragment(self, delta: ToolCallDelta) -> ToolCallDelta:
        """A fragment."""
        return delta


def fragments(
    name: str, fault: str, change: Callable[[ToolCallDelta], ToolCallDelta], *cases: str, wire: str = "openai_chat"
) -> None:
    """A mutant that changes each fragment."""

    class Made(Fragments):
        def fragment(self, delta: ToolCallDelta) -> ToolCallDelta:
            return change(delta)

    Made.__name__, Made.__doc__ = name, fault
    broken(*cases, wire=wire)(Made)


fragments(
    "GoesToTheLastCall",
    "A fragment goes to the call that began last, whatever its index.",
    lambda delta: delta if delta.id else replace(delta, index=None),
    "tool-calls/interleaved",
)
fragments(
    "IdBeginsACall",
    "Every id begins a new call.",
    lambda delta: replace(delta, index=None, id=f"{delta.id} {id(delta)}") if delta.id else delta,
    "tool-calls/id-on-every-fragment",
    "tool-calls/id",
)
fragments(
    "IndexIsAll",
    "What has the same index is the same call, whatever its id.",
    lambda delta: replace(delta, id=""),
    "tool-calls/all-numbered-zero",
    "tool-calls/id",
)
fragments(
    "DropsCallIds",
    "The ids of calls are lost.",
    lambda delta: replace(delta, id="", index=delta.index),
    "tool-calls/id",
)
fragments(
    "DropsArguments",
    "Calls lose their arguments.",
    lambda delta: replace(delta, arguments=""),
    "tool-calls/one",
    "tool-calls/several",
    "tool-calls/values",
    "tool-calls/large",
    "tool-calls/invalid-json",
    "choices/tool-calls",
)


@broken("tool-calls/fragments", "tool-calls/large", "tool-calls/interleaved", "tool-calls/id-on-every-fragment")
class LastFragmentWins(Ground):
    """Of a call's fragments only the first and the last are kept."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        number = 0
        for chunk in chunks:
            number += bool(chunk.tool_call_deltas)
            yield replace(chunk, tool_call_deltas=()) if number in (3, 4) and chunk.tool_call_deltas else chunk


@broken("tool-calls/several", "tool-calls/id", "callbacks/tool-calls")
class FirstCallOnly(Fragments):
    """Calls after the first are dropped."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, tool_call_deltas=tuple(delta for delta in chunk.tool_call_deltas if not delta.index))


@broken("tool-calls/beside-text", "tool-calls/once-across-chunks")
class TextOrCalls(Ground):
    """An answer that has text has no calls."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        text = ""
        for chunk in chunks:
            text += chunk.text
            yield replace(chunk, tool_call_deltas=(), tool_calls=()) if text else chunk


@broken("tool-calls/repeated", wire="gemini")
class CountsRepeatedCalls(Ground):
    """A call that comes twice is two calls."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        for number, chunk in enumerate(chunks):
            calls = tuple(replace(call, id=f"{call.id}-{number}") for call in chunk.tool_calls)
            deltas = tuple(replace(delta, id=f"{delta.id}-{number}") for delta in chunk.tool_call_deltas)
            yield replace(chunk, tool_calls=calls, tool_call_deltas=deltas)


@broken("tool-calls/cut-off", "tool-calls/invalid-json", "tool-calls/no-arguments")
class RaisesForInvalidArguments(Ground):
    """Arguments that are no JSON raise a JSON error, when the finish reason comes and at the end."""

    def message_tool_calls(self, message: ChatMessage) -> Any:
        import json

        for call in message.tool_calls:
            json.loads(call.raw_arguments)
        return super().message_tool_calls(message)
