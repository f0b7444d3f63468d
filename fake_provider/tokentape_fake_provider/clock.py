"""Clock: what time it is for playback, and waking up on time."""

from __future__ import annotations

import asyncio
import heapq
import math
import threading
import time
from collections import deque
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Time in ms from any fixed point on."""

    def now(self) -> float:
        """The time in ms."""

    def alarm(self, deadline: float) -> asyncio.Future[None]:
        """A future that is done at `deadline`, never before; who holds it may set it earlier."""


class MonotonicClock:
    """The machine's monotonic clock. All alarms of an event loop share one timer."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarms: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def now(self) -> float:
        """ms of the monotonic clock."""
        return time.perf_counter() * 1000.0

    def alarm(self, deadline: float) -> asyncio.Future[None]:
        """A future that the running loop's timer sets."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._alarms, self._timer, self._timer_at = loop, [], None, math.inf
        future = loop.create_future()
        heapq.heappush(self._alarms, (deadline, next(self._numbers), future))
        if deadline < self._timer_at:
            self._set_timer(loop, deadline)
        return future

    def _set_timer(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # uvloop rounds a delay to the nearest ms, so that a timer may fire half a ms early: round up.
        delay = math.ceil(max(0.0, deadline - self.now()))
        self._timer_at = deadline
        self._timer = loop.call_later(delay / 1000.0, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._timer_at = None, math.inf
        alarms, now = self._alarms, self.now()
        while alarms and (alarms[0][0] <= now or alarms[0][2].done()):
            future = heapq.heappop(alarms)[2]
            if not future.done():
                future.set_result(None)
        if alarms:
            self._set_timer(loop, alarms[0][0])


class ControlledClock:
    """A clock that a test sets, from any thread; it starts at 0.

    `advance` moves it on. With `automatic` it jumps to each alarm as soon as that is set, so that a paced
    stream plays at once and yet has its times.
    """

    def __init__(self, *, automatic: bool = False) -> None:
        self.automatic = automatic
        self._now = 0.0
        self._alarms: list[tuple[float, int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._unseen: deque[float] = deque()

    def now(self) -> float:
        """ms, as far as it was set."""
        return self._now

    def alarm(self, deadline: float) -> asyncio.Future[None]:
        """A future that `advance` sets."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._changed:
            if self.automatic:
                self._now = max(self._now, deadline)
            if deadline <= self._now:
                future.set_result(None)
            else:
                heapq.heappush(self._alarms, (deadline, next(self._numbers), loop, future))
                self._unseen.append(deadline)
                self._changed.notify_all()
        return future

    def wait_for_alarm(self, timeout: float = 10.0) -> float:
        """The next alarm in the order in which they were set, each once: when some stream waits, until when.

        Raises `TimeoutError` if nothing sets one within `timeout` s.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._unseen), timeout):
                raise TimeoutError(f"no stream set an alarm within {timeout:g} s")
            return self._unseen.popleft()

    def advance(self, milliseconds: float) -> None:
        """Move on, and wake whatever is due."""
        with self._changed:
            self._now += milliseconds
            while self._alarms and self._alarms[0][0] <= self._now:
                _, _, loop, future = heapq.heappop(self._alarms)
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_wake, future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
