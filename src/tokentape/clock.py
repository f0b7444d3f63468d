"""Clock: whose time heartbeats and timeouts keep, where it is not the machine's.

A clock of a test fits (`tokentape_fake_provider.ControlledClock`), so that minutes of silence pass at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Call(Protocol):
    """Something that is to be called at a time."""

    def cancel(self) -> None:
        """Don't call it."""


class Clock(Protocol):
    """Time in ms from any fixed point on."""

    def now(self) -> float:
        """The time in ms."""

    def call_at(self, deadline: float, callback: Callable[[], None]) -> Call:
        """Call `callback` at `deadline` (ms): in the running event loop, or without one in any thread."""
