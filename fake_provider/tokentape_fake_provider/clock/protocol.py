"""Clock: what it takes to keep time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Call:
    """Something to be called at a time, unless it is cancelled before."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Don't call it."""
        self.callback = None

    def make(self) -> None:
        """Call it."""
        if self.callback is not None:
            self.callback()


class Clock(Protocol):
    """Time in ms from any fixed point on."""

    def now(self) -> float:
        """The time in ms."""

    def call_at(self, deadline: float, callback: Callable[[], None]) -> Call:
        """Call `callback` in the running event loop at `deadline` (ms) or a little later, never before."""
