"""What a filter is: a state machine from text to text, without I/O and clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from tokentape.finish_reason import FinishReason


class TextFilter(Protocol):
    """Filters one text, which arrives in pieces.

    Either method may raise `StopStream` to end the stream, or any other exception to fail it.
    """

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be shown now."""

    def close(self) -> str:
        """Return what is held: the text has ended."""


FilterFactory: TypeAlias = Callable[[], TextFilter]
"""Creates the filter of one text."""


class StopStream(Exception):  # noqa: N818 - an instruction, not an error
    """Raised by a filter to end the stream: `text` is the last that is shown, `finish_reason` why the stream ended."""

    def __init__(self, text: str = "", *, finish_reason: FinishReason = "content_filter") -> None:
        super().__init__(text)
        self.text = text
        self.finish_reason = finish_reason


class FilterChain:
    """Several filters as one: each gets what the one before it shows.

    `stopped` is the finish reason once one of them has stopped the stream; no more is shown then.
    """

    def __init__(self, filters: Sequence[TextFilter]) -> None:
        self._filters = filters
        self.stopped: FinishReason | None = None

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be shown now."""
        if self.stopped is not None:
            return ""
        number = 0
        try:
            for each in self._filters:
                number += 1
                text = each.feed(text)
                if not text:
                    break
        except StopStream as stop:
            return self._stopped(stop, number)
        return text

    def close(self) -> str:
        """Return what the filters hold."""
        return self._last("", 0) if self.stopped is None else ""

    def _last(self, text: str, start: int) -> str:
        """Return what the filters from `start` on show of the last text that they get, and of what they hold."""
        for number, each in enumerate(self._filters[start:], start + 1):
            try:
                text = (each.feed(text) if text else "") + each.close()
            except StopStream as stop:
                return self._stopped(stop, number)
        return text

    def _stopped(self, stop: StopStream, start: int) -> str:
        self.stopped = stop.finish_reason
        return self._last(stop.text, start)
