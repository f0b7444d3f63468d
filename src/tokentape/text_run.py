"""Runs of text: what most of a stream is made of, and what is handled many chunks at a time."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape.message import ChatMessage


class TextRun(list[ChatMessage]):
    """Chunks that follow one another in one block of the first choice and are text alone.

    With `reports_usage` there may be usage beside the text.
    """

    __slots__ = ("reports_usage",)

    def __init__(self, chunks: Sequence[ChatMessage], *, reports_usage: bool = False) -> None:
        super().__init__(chunks)
        self.reports_usage = reports_usage
