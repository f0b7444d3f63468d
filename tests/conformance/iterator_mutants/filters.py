"""Broken in what is shown and when: filters, timing, limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, StreamedChatMessageIterator
from tokentape.filters import hold_to
from tokentape.filters import replace as replace_phrases


class _EachChunk:
    """Replaces a phrase in each piece by itself."""

    def __init__(self, phrase: str, by: str) -> None:
        self.phrase, self.by = phrase, by

    def feed(self, text: str) -> str:
        return text.replace(self.phrase, self.by)

    def close(self) -> str:
        return ""


@broken("filters/across-chunks")
class ReplacesInChunks(Ground):
    """A phrase is only found within one chunk."""

    def replace(self, stream: Any, phrase: str, by: str) -> Any:
        return stream.filter(lambda: _EachChunk(phrase, by))


class _Forgets:
    """Forgets what it holds at the end."""

    def __init__(self, phrase: str, by: str) -> None:
        self.filter = replace_phrases(phrase, by=by)()

    def feed(self, text: str) -> str:
        return self.filter.feed(text)

    def close(self) -> str:
        return ""


@broken("filters/no-match")
class LosesTheHeld(Ground):
    """What is held at the end is lost."""

    def replace(self, stream: Any, phrase: str, by: str) -> Any:
        return stream.filter(lambda: _Forgets(phrase, by))


@broken("filters/not-held")
class HoldsAll(Ground):
    """All text is held to the end of its line."""

    def replace(self, stream: Any, phrase: str, by: str) -> Any:
        return stream.filter(replace_phrases(phrase, by=by), hold_to("line"))


@broken("filters/stop")
class StopsAsUsual(Ground):
    """A stream that a filter has stopped reports that it stopped by itself."""

    def finish_reason(self, stream: Any) -> str | None:
        reason = super().finish_reason(stream)
        return "stop" if reason == "content_filter" else reason


@broken("filters/unfiltered")
class FiltersBoth(Ground):
    """The unfiltered output is the filtered one."""

    def unfiltered_output(self, output: Any) -> Any:
        return output


@broken("filters/smooth")
class DropsSpaces(Ground):
    """Words leave one by one, without the space between them."""

    def smooth(self, stream: Any) -> Any:
        for chunk in stream:
            for word in chunk.text.split():
                yield msgspec.structs.replace(chunk, text=word) if isinstance(chunk, ChatMessage) else chunk


@broken("timing/measured")
class MeasuresByItself(Ground):
    """The times are the machine's, whatever clock is given."""

    def measure(self, stream: Any, now: Callable[[], float]) -> Any:
        return stream.measure(time.time)

    def timing(self, stream: Any) -> Mapping[str, Any]:
        return super().timing(stream)


@broken("limits/total")
class NoLimit(Ground):
    """A total limit is ignored."""

    def limit_time(self, stream: Any, clock: Any, idle: float | None, total: float | None) -> Any:
        return stream if idle is None else super().limit_time(stream, clock, idle, total)


class _Impatient(StreamedChatMessageIterator):
    """Fails if its reader takes longer between chunks than the stream may."""

    def limit(self, clock: Any, idle: float | None) -> _Impatient:
        self.clock, self.idle = clock, idle
        return self

    def __iter__(self) -> Any:
        for chunk in super().__iter__():
            before = self.clock.now()
            yield chunk
            if self.idle is not None and self.clock.now() - before > self.idle * 1000:
                raise TimeoutError("nothing came in time")


@broken("limits/slow-reader")
class CountsTheReader(Ground):
    """The time that the reader takes counts as silence of the provider."""

    stream = _Impatient

    def limit_time(self, stream: Any, clock: Any, idle: float | None, total: float | None) -> Any:
        return stream.limit(clock, idle) if idle is not None else super().limit_time(stream, clock, idle, total)
