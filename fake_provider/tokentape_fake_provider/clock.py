"""Clock: what time it is for playback, and being called on time."""

from __future__ import annotations

import asyncio
import heapq
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Time in ms from any fixed point on."""

    def now(self) -> float:
        """The time in ms."""

    def call_at(self, deadline: float, callback: Callable[[], None]) -> None:
        """Call `callback` in the running event loop at `deadline` (ms) or a little later, never before."""


class MonotonicClock:
    """The machine's monotonic clock. All calls of an event loop share one timer."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def now(self) -> float:
        """ms of the monotonic clock."""
        return time.perf_counter() * 1000.0

    def call_at(self, deadline: float, callback: Callable[[], None]) -> None:
        """Call `callback` in the running event loop."""
        if self._loop is None or self._loop.is_closed():
            self._loop, self._calls, self._timer, self._timer_at = asyncio.get_running_loop(), [], None, math.inf
        heapq.heappush(self._calls, (deadline, next(self._numbers), callback))
        if deadline < self._timer_at:
            self._set_timer(self._loop, deadline)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # uvloop rounds a delay to the nearest ms, so that a timer may fire half a ms early: round up.
        delay = math.ceil(max(0.0, deadline - self.now()))
        self._timer_at = deadline
        self._timer = loop.call_later(delay / 1000.0, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._timer_at = None, -math.inf  # no timer for what the callbacks add
        calls, now, pop = self._calls, self.now(), heapq.heappop
        try:
            while calls and calls[0][0] <= now:
                pop(calls)[2]()
        finally:
            self._timer_at = math.inf
            if calls:
                self._set_timer(loop, calls[0][0])


class ControlledClock:
    """A clock that a test sets, from any thread; it starts at 0.

    `advance` moves it on. With `automatic` it jumps to each deadline as soon as that is asked for, so that a
    paced stream plays at once and yet has its times.
    """

    def __init__(self, *, automatic: bool = False) -> None:
        self.automatic = automatic
        self._now = 0.0
        self._calls: list[tuple[float, int, asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._unseen: deque[float] = deque()

    def now(self) -> float:
        """ms, as far as it was set."""
        return self._now

    def call_at(self, deadline: float, callback: Callable[[], None]) -> None:
        """Call `callback` once `advance` came to the deadline."""
        loop = asyncio.get_running_loop()
        with self._changed:
            if self.automatic:
                self._now = max(self._now, deadline)
            if deadline <= self._now:
                loop.call_soon(callback)
            else:
                heapq.heappush(self._calls, (deadline, next(self._numbers), loop, callback))
                self._unseen.append(deadline)
                self._changed.notify_all()

    def wait_for_deadline(self, timeout: float = 10.0) -> float:
        """The next deadline in the order in which they were asked for, each once: until when a stream waits.

        Raises `TimeoutError` if nothing waits within `timeout` s.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._unseen), timeout):
                raise TimeoutError(f"nothing waits for this clock within {timeout:g} s")
            return self._unseen.popleft()

    def advance(self, milliseconds: float) -> None:
        """Move on, and call whatever is due."""
        with self._changed:
            self._now += milliseconds
            while self._calls and self._calls[0][0] <= self._now:
                _, _, loop, callback = heapq.heappop(self._calls)
                if not loop.is_closed():
                    loop.call_soon_threadsafe(callback)
