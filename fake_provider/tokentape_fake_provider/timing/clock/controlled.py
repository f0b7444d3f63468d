"""A clock that a test advances."""

from __future__ import annotations

import asyncio
import heapq
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import count
from typing import Final, TypeAlias

from tokentape_fake_provider.event_loops.futures import running_loop, settle, wait, wait_async
from tokentape_fake_provider.timing.clock.protocol import Call

# The turns that an event loop gets to finish the work that a call started. Playback needs three at the end of a
# response (measured); readers in the same event loop need a few as well.
_TURNS: Final = 12


class _Threads:
    """Takes the place of an event loop for threads that wait without one."""

    def is_closed(self) -> bool:
        """Return False: it is never closed."""
        return False

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call `callback` at once."""
        callback()

    call_soon_threadsafe = call_soon


_THREADS: Final = _Threads()
_Place: TypeAlias = asyncio.AbstractEventLoop | _Threads


class ControlledClock:
    """A clock that a test advances, from any thread; it starts at 0 and is read in ms.

    `advance` moves it from deadline to deadline: each is met exactly, in order of time over all streams, and the
    work that it starts is done before the next. With `automatic` it advances by itself when its event loop has
    nothing else to do, so a paced stream plays at once but reports its planned times; if clients are registered in that
    event loop, it does so only while one of them waits.
    """

    def __init__(self, *, automatic: bool = False) -> None:
        self._automatic = automatic
        self._now = 0.0
        self._calls: list[tuple[float, int, _Place, Call]] = []
        self._numbers = count()
        self._changed = threading.Condition(threading.RLock())
        self._unseen: deque[float] = deque()
        self._jumped: list[tuple[asyncio.AbstractEventLoop, Future[None]]] = []
        self._running: dict[asyncio.AbstractEventLoop, _Automatic] = {}
        self._clients: dict[asyncio.AbstractEventLoop, dict[object, bool]] = {}

    def now(self) -> float:
        """Return the time in ms."""
        return self._now

    def call_at(self, deadline: float, callback: Callable[[], None]) -> Call:
        """Call `callback` when the clock reaches the deadline: in the running event loop, or without one in the thread
        that advances the clock.
        """
        loop = running_loop() or _THREADS
        call = Call(callback)
        with self._changed:
            if deadline <= self._now:
                loop.call_soon(call.run)
                return call
            heapq.heappush(self._calls, (deadline, next(self._numbers), loop, call))
            if self._automatic and isinstance(loop, asyncio.AbstractEventLoop):
                self._start(loop)
            else:
                self._unseen.append(deadline)
                self._changed.notify_all()
        return call

    @property
    def automatic(self) -> bool:
        """Whether it advances by itself."""
        return self._automatic

    @automatic.setter
    def automatic(self, on: bool) -> None:
        with self._changed:
            turned_on = on and not self._automatic
            self._automatic = on
            if turned_on and (loop := self.next_loop(math.inf)) is not None:
                self._start(loop)

    @property
    def next_deadline(self) -> float | None:
        """The next deadline in ms; `None` if nothing waits."""
        with self._changed:
            return self._calls[0][0] if self._drop_cancelled() else None

    def wait_for_deadline(self, timeout: float = 10.0) -> float:
        """Return the next deadline, in the order in which they were set, each once.

        Raises `TimeoutError` if nothing waits within `timeout` s.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._unseen), timeout):
                raise TimeoutError(f"nothing waited for this clock within {timeout:g} s: was the request sent?")
            return self._unseen.popleft()

    def advance(self, seconds: float = 0.0, *, ms: float = 0.0, timeout: float = 10.0) -> None:
        """Advance by `seconds` and `ms`, deadline by deadline; return when all due work is done.

        Raises `StepTimeoutError` if that takes more than `timeout` s, and `StepError` inside the event loop that it
        would wait for: use `aadvance` there.
        """
        for loop, done in self._advances(seconds, ms):
            wait(loop, done, timeout, "what was due was not done")

    async def aadvance(self, seconds: float = 0.0, *, ms: float = 0.0, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`advance` for coroutines, in any event loop."""
        for _, done in self._advances(seconds, ms):
            await wait_async(done, timeout, "what was due was not done")

    def jump(self, seconds: float = 0.0, *, ms: float = 0.0) -> None:
        """Advance at once, as if the machine had been suspended: all deadlines up to that time are late.

        Does not wait for the work that this starts; the next `advance` does.
        """
        with self._changed:
            self._now = _after(self._now, seconds, ms)
            loops: dict[asyncio.AbstractEventLoop, None] = {}
            while self._drop_cancelled() and self._calls[0][0] <= self._now:
                _, _, loop, call = heapq.heappop(self._calls)
                if loop.is_closed():
                    continue
                loop.call_soon_threadsafe(call.run)
                if isinstance(loop, asyncio.AbstractEventLoop):
                    loops[loop] = None
            self._jumped = [(loop, done) for loop, done in self._jumped if not done.done()]
            for loop in loops:
                rest = _Advance(self, loop, -math.inf, _TURNS)
                loop.call_soon_threadsafe(rest.run_turn)
                self._jumped.append((loop, rest.done))

    def _advances(self, seconds: float, ms: float) -> Iterator[tuple[asyncio.AbstractEventLoop, Future[None]]]:
        """Yield runs of deadlines, each in one event loop; a run starts when the one before is done."""
        until = _after(self._now, seconds, ms)
        with self._changed:
            jumped, self._jumped = self._jumped, []
        yield from jumped
        while (loop := self.next_loop(until)) is not None:
            if isinstance(loop, _Threads):
                self._call_threads(until)
                continue
            run = _Advance(self, loop, until, 0)
            loop.call_soon_threadsafe(run.run_turn)
            yield loop, run.done

    def next_loop(self, until: float) -> _Place | None:
        """Return the event loop of the next deadline up to this time. Without one, set the time and return `None`."""
        with self._changed:
            while self._drop_cancelled() and self._calls[0][0] <= until:
                loop = self._calls[0][2]
                if not loop.is_closed():
                    return loop
                heapq.heappop(self._calls)
            if until < math.inf:
                self._now = max(self._now, until)
            return None

    def take_due(self, loop: _Place, until: float) -> list[Call]:
        """Advance to the next deadline up to this time if it is this loop's; return the calls that are due then."""
        due: list[Call] = []
        with self._changed:
            if self.next_loop(until) is loop:
                self._now = max(self._now, self._calls[0][0])
                while self._calls and self._calls[0][0] <= self._now and self._calls[0][2] is loop:
                    due.append(heapq.heappop(self._calls)[3])
        return due

    # Clients in an event loop: while none of them waits, their program is busy, perhaps in a thread.

    def note_waiting(self, loop: asyncio.AbstractEventLoop, client: object) -> None:
        """Note that a client waits."""
        with self._changed:
            self._clients.setdefault(loop, {})[client] = True
            if self._automatic and self._drop_cancelled():
                self._start(self._calls[0][2])

    def note_working(self, loop: asyncio.AbstractEventLoop, client: object) -> None:
        """Note that a client no longer waits."""
        with self._changed:
            self._clients.setdefault(loop, {})[client] = False

    def remove_client(self, loop: asyncio.AbstractEventLoop, client: object) -> None:
        """Remove a client that is closed."""
        with self._changed:
            clients = self._clients.get(loop, {})
            clients.pop(client, None)
            if not clients:
                self._clients.pop(loop, None)

    def may_advance(self, loop: _Place) -> bool:
        """Whether the clock may advance by itself: it is automatic, and without clients or with one that waits."""
        with self._changed:
            clients = self._clients.get(loop) if isinstance(loop, asyncio.AbstractEventLoop) else None
            return self._automatic and (not clients or any(clients.values()))

    def note_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that a loop has nothing to do until a deadline of another loop has passed."""
        with self._changed:
            self._running.pop(loop, None)
            following = self.next_loop(math.inf)
            if following is not None and self.may_advance(following):
                self._start(following)

    def _call_threads(self, until: float) -> None:
        for call in self.take_due(_THREADS, until):
            call.run()

    def _start(self, loop: _Place) -> None:
        while isinstance(loop, _Threads):
            self._call_threads(math.inf)
            following = self.next_loop(math.inf)
            if following is None:
                return
            loop = following
        running = self._running.get(loop)
        if running is None:
            running = self._running[loop] = _Automatic(self, loop)
            loop.call_soon_threadsafe(running.run_turn)
        running.turns = _TURNS

    def _drop_cancelled(self) -> bool:
        """Drop cancelled calls from the front; return whether any call is left."""
        while self._calls and self._calls[0][3].callback is None:
            heapq.heappop(self._calls)
        return bool(self._calls)


class _Advance:
    """Runs the calls of one event loop that are due up to a time; runs in that loop."""

    def __init__(self, clock: ControlledClock, loop: asyncio.AbstractEventLoop, until: float, turns: int) -> None:
        self.done: Future[None] = Future()
        self._clock = clock
        self._loop = loop
        self._until = until
        self._turns = turns

    def run_turn(self) -> None:
        """Run one turn of the loop."""
        if self._turns:
            self._turns -= 1
            self._loop.call_soon(self.run_turn)
            return
        due = self._clock.take_due(self._loop, self._until)
        if not due:
            settle(self.done)
            return
        try:
            for call in due:
                call.run()
        except BaseException as error:
            settle(self.done, error)
            raise
        self._turns = _TURNS
        self._loop.call_soon(self.run_turn)


class _Automatic:
    """Advances a clock whenever an event loop has been idle for some turns."""

    def __init__(self, clock: ControlledClock, loop: asyncio.AbstractEventLoop) -> None:
        self.turns = _TURNS
        self._clock = clock
        self._loop = loop

    def run_turn(self) -> None:
        """Run one turn of the loop."""
        if self.turns:
            self.turns -= 1
            self._loop.call_soon(self.run_turn)
            return
        due = self._clock.take_due(self._loop, math.inf) if self._clock.may_advance(self._loop) else []
        if not due:
            self._clock.note_idle(self._loop)
            return
        self.turns = _TURNS
        self._loop.call_soon(self.run_turn)
        for call in due:
            call.run()


def _after(now: float, seconds: float, ms: float) -> float:
    """Return the sum, rounded to ns, so that 1.001 s are 1001 ms and not slightly less."""
    if not (seconds >= 0 and ms >= 0):
        raise ValueError(f"a clock does not go back: advance by 0 or more, not by {seconds:g} s and {ms:g} ms")
    return round(now + seconds * 1000.0 + ms, 6)
