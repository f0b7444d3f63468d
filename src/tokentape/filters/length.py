"""A limit on the length of a text."""

from __future__ import annotations

from functools import partial

from tokentape.arguments import require_count, require_text
from tokentape.filters.text_filter import FilterFactory, StopStream, require_finish_reason
from tokentape.finish_reason import FinishReason


def limit_length(characters: int, *, ending: str = "", finish_reason: FinishReason = "length") -> FilterFactory:
    """Stop the stream after this number of characters, and show `ending` after them.

    A text of exactly this length is not stopped. Raises ConfigurationError for a number that is not positive,
    an ending that is no text, and an unknown finish reason.
    """
    require_count(characters, "limit_length(): the number of characters")
    require_text(ending, "limit_length(): ending")
    require_finish_reason(finish_reason, "limit_length()")
    return partial(_LengthLimit, characters, ending, finish_reason)


class _LengthLimit:
    def __init__(self, characters: int, ending: str, finish_reason: FinishReason) -> None:
        self._left = characters
        self._ending = ending
        self._finish_reason = finish_reason

    def feed(self, text: str) -> str:
        if len(text) > self._left:
            raise StopStream(text[: self._left] + self._ending, finish_reason=self._finish_reason)
        self._left -= len(text)
        return text

    def close(self) -> str:
        return ""
