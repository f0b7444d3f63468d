"""The machine's monotonic clock."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from itertools import count

from tokentape_fake_provider.timing.clock.protocol import Call


class MonotonicClock:
    """The machine's monotonic clock, ahead by `offset` ms. All calls of an event loop share one timer."""

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = offset
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: list[tuple[float, int, Call]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def now(self) -> float:
        """Return the time of the monotonic clock in ms."""
        return time.perf_counter() * 1000.0 + self._offset

    def call_at(self, deadline: float, callback: Callable[[], None]) -> Call:
        """Call `callback` in the running event loop."""
        if self._loop is None or self._loop.is_closed():
            self._loop, self._calls, self._timer, self._timer_at = asyncio.get_running_loop(), [], None, math.inf
        call = Call(callback)
        heapq.heappush(self._calls, (deadline, next(self._numbers), call))
        if deadline < self._timer_at:
            self._set_timer(self._loop, deadline)
        return call

    def _set_timer(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # uvloop rounds a delay to the nearest ms, so a timer may fire half a ms early: round up.
        delay = math.ceil(max(0.0, deadline - self.now()))
        self._timer_at = deadline
        self._timer = loop.call_later(delay / 1000.0, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._timer_at = None, -math.inf  # no timer for calls that the callbacks add
        calls, now, pop = self._calls, self.now(), heapq.heappop
        try:
            while calls and calls[0][0] <= now:
                pop(calls)[2].run()
        finally:
            self._timer_at = math.inf
            if calls:
                self._set_timer(loop, calls[0][0])
