"""A screen that an output buffer writes to, and chunks of text."""

from __future__ import annotations

from collections.abc import Iterator

from tokentape.message import ChatMessage


class Screen:
    """A sink that records what was written between flushes, and fails on demand."""

    def __init__(self) -> None:
        self.text = ""
        self.flushed = ""
        self.failures = 0

    def write(self, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the screen is off")
        self.text += text

    def flush(self) -> None:
        self.flushed = self.text


def messages(*texts: str) -> Iterator[ChatMessage]:
    """Chunks with these texts."""
    return (ChatMessage(text) for text in texts)
