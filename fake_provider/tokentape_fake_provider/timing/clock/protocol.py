"""The protocol of clocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Call:
    """A callback that is scheduled for a time; it can be cancelled before."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Drop the callback."""
        self.callback = None

    def run(self) -> None:
        """Call the callback, unless it was cancelled."""
        if self.callback is not None:
            self.callback()


class Clock(Protocol):
    """Time in ms since any fixed point."""

    def now(self) -> float:
        """Return the time in ms."""

    def call_at(self, deadline: float, callback: Callable[[], None]) -> Call:
        """Call `callback` in the running event loop at `deadline` (ms) or a little later, never before."""
