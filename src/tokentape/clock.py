"""The clock that heartbeats and timeouts follow, where it is not the machine's.

A test can pass `tokentape_fake_provider.ControlledClock`, on which minutes of silence pass at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Call(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancel the call."""


class Clock(Protocol):
    """A clock in ms, counted from any fixed point."""

    def now(self) -> float:
        """Return the time in ms."""

    def call_at(self, deadline: float, callback: Callable[[], None]) -> Call:
        """Call `callback` at `deadline` (ms), in the running event loop if there is one, else in any thread."""
