"""Turns of an event loop, taken one by one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary


class Turns:
    """Lets tasks that come at the same time go on one by one, so that timers that are due run between them."""

    def __init__(self) -> None:
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()

    async def take(self) -> None:
        """Return at once for the first task in a turn of the running event loop, and in a later turn for each other."""
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            line = self._lines[loop] = _Line()
        await line.take(loop)


class _Line:
    """Tasks that wait in one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def take(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_taken:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
        else:
            self._is_taken = True
            loop.call_soon(self._pass_on, loop)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # its task may have been cancelled
                turn.set_result(None)
                loop.call_soon(self._pass_on, loop)
                return
        self._is_taken = False


class NextTurn:
    """Calls callbacks in the next turn of an event loop, all by one of its handles, which cost more than a call."""

    def __init__(self) -> None:
        self._callbacks = deque[Callable[[], object]]()

    def call(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
        """Call `callback` in the next turn of the loop, always the same one."""
        if not self._callbacks:
            loop.call_soon(self._run, loop)
        self._callbacks.append(callback)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        callbacks, self._callbacks = self._callbacks, deque()
        try:
            while callbacks:
                callbacks.popleft()()
        finally:
            for left in callbacks:  # one of them raised
                self.call(loop, left)
