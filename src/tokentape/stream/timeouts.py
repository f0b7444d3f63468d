"""How long to wait for the next message of a stream: heartbeats and the idle timeout."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from tokentape.arguments import require_number
from tokentape.clock import Clock
from tokentape.errors import RequestTimeoutError


class Timeouts(NamedTuple):
    """The seconds without a message after which a heartbeat is due, and after which the stream has failed."""

    heartbeat: float | None = None
    idle_timeout: float | None = None
    clock: Clock | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is a heartbeat or a timeout."""
        return self.heartbeat is not None or self.idle_timeout is not None

    def check(self) -> None:
        """Raise ConfigurationError for a time that is not a positive number."""
        for name in ("heartbeat", "idle_timeout"):
            seconds = getattr(self, name)
            if seconds is not None:
                require_number(seconds, name)

    def waits(self) -> Iterator[float]:
        """Yield successive waits in seconds for one message; a heartbeat is due between two of them.

        Raises RequestTimeoutError after the idle timeout.
        """
        waited = 0.0
        while self.idle_timeout is None or waited < self.idle_timeout:
            left = [] if self.idle_timeout is None else [self.idle_timeout - waited]
            beat = [] if self.heartbeat is None else [self.heartbeat]
            seconds = min(*left, *beat) if left and beat else (*left, *beat)[0]
            yield seconds
            waited += seconds
        raise RequestTimeoutError(f"the stream sent nothing for {self.idle_timeout:g} s (idle_timeout)")

    async def await_done(self, future: asyncio.Future[Any], seconds: float) -> bool:
        """Wait at most `seconds` for a future; return whether it is done."""
        if self.clock is None or future.done():
            return bool((await asyncio.wait((future,), timeout=seconds))[0])
        passed = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not passed.done():
                passed.set_result(None)

        call = self.clock.call_at(self.clock.now() + seconds * 1000.0, wake)
        try:
            await asyncio.wait((future, passed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.cancel()
            passed.cancel()
        return future.done()

    def wait_done(self, future: concurrent.futures.Future[Any], seconds: float) -> bool:
        """`await_done` without an event loop."""
        if self.clock is None or future.done():
            return bool(concurrent.futures.wait((future,), min(seconds, threading.TIMEOUT_MAX)).done)
        passed = threading.Event()
        future.add_done_callback(lambda _: passed.set())
        call = self.clock.call_at(self.clock.now() + seconds * 1000.0, passed.set)
        try:
            passed.wait()
        finally:
            call.cancel()
        return future.done()
