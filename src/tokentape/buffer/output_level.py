"""One level of an output buffer, and the stack of levels of one thread or task."""

from __future__ import annotations

from collections.abc import Callable

from tokentape.errors import OutputBufferError

Filter = Callable[[str], str]


class Level:
    """Text that is held back, and the filter it leaves through."""

    __slots__ = ("filter", "flushable", "parts")

    def __init__(self, filter: Filter | None, flushable: bool) -> None:  # noqa: A002 - the field's name
        self.filter = filter
        self.flushable = flushable
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        """What the level holds."""
        return "".join(self.parts)

    def take(self) -> str:
        """Empty the level and return its text, filtered. If the filter raises, the level keeps its text."""
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

    def innermost(self, what: str) -> Level:
        """The innermost level; raises OutputBufferError if none is open."""
        if not self.open:
            raise OutputBufferError(
                f"cannot {what}: no level of this output buffer is open in this thread or task; call start()"
            )
        return self.open[-1]

    def hand_down(self, text: str, depth: int) -> str:
        """Put `text` into the level below `depth`; return it if there is none (it goes to the sink)."""
        if depth == 0 or not text:
            return text
        self.open[depth - 1].parts.append(text)
        return ""

    def drain(self) -> str:
        """Push every level's text down and return what leaves the outermost one.

        A level that isn't flushable keeps what comes down to it. If a filter raises, what had come down so
        far is kept in that filter's level, behind its own text.
        """
        for depth in range(len(self.open) - 1, -1, -1):
            level = self.open[depth]
            if not level.flushable:
                continue
            text = self.hand_down(level.take(), depth)
            if depth == 0:
                return text
        return ""
