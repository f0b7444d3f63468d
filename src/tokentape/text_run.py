"""Runs of text chunks: most of a stream consists of them, so many chunks are handled at a time."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape.message import ChatMessage


class TextRun(list[ChatMessage]):
    """Consecutive chunks of one block of the first choice that contain only text.

    If `reports_usage`, they may also contain usage.
    """

    __slots__ = ("reports_usage",)

    def __init__(self, chunks: Sequence[ChatMessage], *, reports_usage: bool = False) -> None:
        super().__init__(chunks)
        self.reports_usage = reports_usage
