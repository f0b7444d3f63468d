"""The texts of a stream that are filtered, each with the state of its filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from tokentape.filters.text_filter import FilterChain, TextFilter
from tokentape.message import ChatMessage, Role

FilteredField = Literal["text", "reasoning", "refusal"]
"""A field of a chunk that has text for readers."""


class FilteredText(FilterChain):
    """One text with its filters, and the last chunk that had some of it.

    `record` takes what is received of it, in the same block, once that is not what is shown.
    """

    def __init__(self, field: FilteredField, filters: Sequence[TextFilter]) -> None:
        super().__init__(filters)
        self.field = field
        self.last = ChatMessage()
        self.block: int | None = None
        self.record: Callable[[str], None] | None = None


class FilteredChoice:
    """The texts of a choice; `text` and `reasoning` are those of them that go on."""

    def __init__(self) -> None:
        # The result of a tool call is a text of its own.
        self.texts: dict[tuple[FilteredField, str | None], FilteredText] = {}
        self.text: FilteredText | None = None
        self.reasoning: FilteredText | None = None
        self.role: Role | None = None  # of what was received last, beside mere text
        self.goes_on = False
        self.stopped = False
