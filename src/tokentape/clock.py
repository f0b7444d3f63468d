"""The clock that heartbeats and timeouts follow, where it is not the machine's.

A test can pass `tokentape_fake_provider.ControlledClock`, on which minutes of silence pass at once.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count
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


class TimerCall:
    """A call of `MachineClock`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Cancel the call."""
        self.callback = None


class MachineClock:
    """The machine's clock, for calls that outlive the event loop and the thread that schedule them.

    All are called in one daemon thread, which ends when no call is left; they must not block.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[float, int, TimerCall]] = []
        self._numbers = count()
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        """Return the time in ms."""
        return time.monotonic() * 1000.0

    def call_at(self, deadline: float, callback: Callable[[], None]) -> TimerCall:
        """Call `callback` at `deadline` (ms) in the clock's thread."""
        call = TimerCall(callback)
        with self._changed:
            heapq.heappush(self._calls, (deadline, next(self._numbers), call))
            if self._thread is None or not self._thread.is_alive():  # dead: after a fork too
                self._thread = threading.Thread(target=self._run, name="tokentape-clock", daemon=True)
                self._thread.start()
            self._changed.notify()
        return call

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._calls and self._calls[0][2].callback is None:
                    heapq.heappop(self._calls)
                if not self._calls:
                    self._thread = None
                    return
                left = self._calls[0][0] - self.now()
                if left > 0:
                    self._changed.wait(min(left / 1000.0, threading.TIMEOUT_MAX))
                    continue
                callback = heapq.heappop(self._calls)[2].callback
            if callback is not None:
                callback()
