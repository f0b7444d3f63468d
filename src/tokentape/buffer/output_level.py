"""One level of an output buffer, and the stack of levels of one thread or task."""

from __future__ import annotations

from collections.abc import Callable

from tokentape.errors import OutputBufferError

Filter = Callable[[str], str]


class Level:
    """Text that is held back, and the filter for it."""

    __slots__ = ("filter", "flushable", "parts")

    def __init__(self, filter: Filter | None, flushable: bool) -> None:  # noqa: A002 - the field's name
        self.filter = filter
        self.flushable = flushable
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        """The text in the level."""
        return "".join(self.parts)

    def take(self) -> str:
        """Empty the level and return its filtered text. If the filter raises, the level keeps its text."""
        text = self.text
        if self.filter is not None and text:
            text = self.filter(text)
        self.parts.clear()
        return text


class Levels:
    """The open levels of one thread or task, outermost first."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open: list[Level] = []

    def innermost(self, action: str) -> Level:
        """Return the innermost level; raises OutputBufferError if none is open."""
        if not self.open:
            raise OutputBufferError(
                f"cannot {action}: no level of this output buffer is open in this thread or task; call start()"
            )
        return self.open[-1]

    def hand_down(self, text: str, depth: int) -> str:
        """Move `text` from the level at `depth` to its parent; return it if there is no parent."""
        if depth == 0 or not text:
            return text
        self.open[depth - 1].parts.append(text)
        return ""

    def drain(self) -> str:
        """Move every level's text to its parent and return the text that leaves the outermost level.

        A level that isn't flushable keeps the text that reaches it. If a filter raises, its level keeps its own text
        and the text that reached it.
        """
        for depth in range(len(self.open) - 1, -1, -1):
            level = self.open[depth]
            if not level.flushable:
                continue
            text = self.hand_down(level.take(), depth)
            if depth == 0:
                return text
        return ""
