"""What a filter is: a state machine from text to text, without I/O and clock."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, get_args

from tokentape.errors import ConfigurationError
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
    """Raised by a filter to end the stream: `text` is the last that is shown, `finish_reason` why the stream ended.

    Raises ConfigurationError for an unknown finish reason.
    """

    def __init__(self, text: str = "", *, finish_reason: FinishReason = "content_filter") -> None:
        super().__init__(text)
        require_finish_reason(finish_reason, "StopStream()")
        self.text = text
        self.finish_reason = finish_reason


def require_finish_reason(value: Any, name: str) -> None:
    """Raise ConfigurationError if a value is no finish reason; the message names what it was given to."""
    if value not in get_args(FinishReason):
        raise ConfigurationError(f"{name} got finish_reason={value!r}: one of {', '.join(get_args(FinishReason))}")


class FilterChain:
    """Several filters as one: each gets what the one before it shows, also of the text of a stop.

    Raises ConfigurationError for what is no filter, and if one returns no text.
    """

    def __init__(self, filters: Sequence[TextFilter]) -> None:
        for each in filters:
            if not callable(getattr(each, "feed", None)) or not callable(getattr(each, "close", None)):
                raise ConfigurationError(
                    f"{_type_name(each)} is no filter: filter() takes functions that return an object with the "
                    "methods feed(text) and close()"
                )
        self._filters = filters
        self._feeds = [(each.feed, number) for number, each in enumerate(filters, 1)]

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be shown now."""
        number = 0
        try:
            for feed, number in self._feeds:
                text = feed(text)
                if text.__class__ is not str:
                    self.require_text(text, "feed()", number)
                if not text:
                    break
        except StopStream as stop:
            raise self._last_stop(stop, number) from None
        return text

    def close(self) -> str:
        """Return what the filters hold."""
        return self._last("", 0)

    def _last_stop(self, stop: StopStream, number: int) -> StopStream:
        """Return the stop of a filter with what those after it show of its text, or their own stop."""
        try:
            text = self._last(self.require_text(stop.text, "StopStream()", number), number)
        except StopStream as later:
            return later
        return StopStream(text, finish_reason=stop.finish_reason)

    def _last(self, text: str, start: int) -> str:
        """Return what the filters from `start` on show of the last text that they get, and of what they hold."""
        for number, each in enumerate(self._filters[start:], start + 1):
            try:
                shown = self.require_text(each.feed(text), "feed()", number) if text else ""
                text = shown + self.require_text(each.close(), "close()", number)
            except StopStream as stop:
                raise self._last_stop(stop, number) from None
        return text

    def require_text(self, value: Any, source: str, number: int = 1) -> str:
        """Return what a filter gave, if that is text."""
        if isinstance(value, str):
            return value
        if inspect.iscoroutine(value):
            value.close()
        name = _type_name(self._filters[number - 1])
        raise ConfigurationError(
            f"{source} of the filter {name} gave {_type_name(value)}: a filter gives text, a str; to show nothing, ''"
        )


def _type_name(value: Any) -> str:
    return type(value).__qualname__
