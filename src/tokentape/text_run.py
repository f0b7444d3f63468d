"""Runs of text: what most of a stream is made of, and what is handled many chunks at a time."""

from __future__ import annotations

from tokentape.message import ChatMessage


class TextRun(list[ChatMessage]):
    """Chunks that follow one another in one block of the first choice and are text, or text and usage, alone."""

    __slots__ = ()
