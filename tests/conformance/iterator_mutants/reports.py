"""Broken between the decoder and the reader: usage, finish reasons, choices, metadata."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.conformance.iterator_mutants.chunks import Changed
from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, TokenUsage
from tokentape_conformance.iterator import SyncSource

replace = msgspec.structs.replace


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
    """Usage counts only in a chunk with nothing else."""

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
    """Earlier reports are forgotten."""

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
    Mapped.__doc__ = f"The finish reason {reason} is reported as stop."
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
class StopUnlessAnotherReason(Changed):
    """Every chunk has the finish reason stop, until another one comes."""

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
    """The provider's metadata is lost."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, metadata={}, model=None)
