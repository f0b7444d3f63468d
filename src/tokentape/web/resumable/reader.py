"""One reader of a response: what it has missed, then what comes, with heartbeats in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from tokentape.errors import EventsDroppedError
from tokentape.stream.timeouts import Timeouts
from tokentape.web.frames import heartbeat_frame
from tokentape.web.resumable.log import EventLog

HEARTBEAT = heartbeat_frame("sse")


class OpensReaders(Protocol):
    """What answers of a web framework need of `ResumableResponses`."""

    headers: dict[str, str]

    def open(self, id: str, last_event_id: str | None = None, *, head: bool = False) -> Reader:  # noqa: A002
        """Return a reader of a response. Raises ResumeError."""

    async def aopen(self, id: str, last_event_id: str | None = None, *, head: bool = False) -> Reader:  # noqa: A002
        """`open` for coroutines."""


class Reader:
    """Reads a log from the event after `number`; what it yields contains one or more whole events.

    It counts as a reader of the response until it is closed, at the latest at the end of the loop over it. If the log
    breaks off, or drops events before they are read, the last event is that of `failed`, without an id.
    """

    def __init__(
        self,
        log: EventLog,
        number: int,
        failed: Callable[[Exception], Iterable[bytes]],
        timeouts: Timeouts,
        *,
        closed: bool = False,
    ) -> None:
        self.number = number
        self._log = log
        self._failed = failed
        self._timeouts = timeouts
        self._closed = closed
        self._wake: Callable[[], None] | None = None
        if not closed:
            log.join()

    @property
    def at_end(self) -> bool:
        """Whether the response has ended and all of it has been read."""
        return self._log.status != "running" and self.number == self._log.last

    def frames(self) -> Generator[bytes, None, None]:
        """Yield the events as they come, for a plain loop."""
        try:
            while (data := self._next()) != b"":
                if data is not None:
                    yield data
                    continue
                changed: Future[None] = Future()
                self._wake = partial(_settle, changed)
                if self._log.wait(self.number, self._wake):
                    if self._timeouts.heartbeat is None:
                        changed.result()
                    else:
                        while not self._timeouts.wait_done(changed, self._timeouts.heartbeat):
                            yield HEARTBEAT
        finally:
            self.close()

    async def aframes(self) -> AsyncGenerator[bytes, None]:
        """Yield the events as they come, for `async for` on asyncio."""
        loop = asyncio.get_running_loop()
        try:
            while (data := self._next()) != b"":
                if data is not None:
                    yield data
                    continue
                changed = loop.create_future()
                self._wake = _Wake(loop, changed)
                if self._log.wait(self.number, self._wake):
                    if self._timeouts.heartbeat is None:
                        await changed
                    else:
                        while not await self._timeouts.await_done(changed, self._timeouts.heartbeat):
                            yield HEARTBEAT
        finally:
            self.close()

    def _next(self) -> bytes | None:
        """Return the next events; None if there are none yet, and b"" at the end."""
        if self._closed:
            return b""
        ended = self._log.ended
        try:
            data, self.number = self._log.after(self.number)
        except EventsDroppedError as error:
            return self._last_words(error)
        if data or not ended:
            return data or None
        return b"" if self._log.error is None else self._last_words(self._log.error)

    def _last_words(self, error: Exception) -> bytes:
        self.close()
        return b"".join(self._failed(error))

    def close(self) -> None:
        """Stop counting as a reader."""
        if not self._closed:
            self._closed = True
            if self._wake is not None:
                self._log.forget(self._wake)
            self._log.leave()

    def __del__(self) -> None:
        self.close()


class _Wake:
    """Wakes a coroutine, from any thread."""

    __slots__ = ("_future", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
        self._loop = loop
        self._future = future

    def __call__(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            if asyncio._get_running_loop() is self._loop:
                _settle(self._future)
            else:
                self._loop.call_soon_threadsafe(_settle, self._future)


def _settle(future: Any) -> None:
    if not future.done():
        future.set_result(None)
