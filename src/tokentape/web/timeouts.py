"""Silence: how long a stream may say nothing, and waiting for it to say something."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from tokentape.clock import Clock
from tokentape.errors import ConfigurationError, RequestTimeoutError


class Silence(NamedTuple):
    """After how many seconds without a message a heartbeat is due, and after how many the stream has failed."""

    heartbeat: float | None = None
    idle_timeout: float | None = None
    clock: Clock | None = None

    @property
    def bounded(self) -> bool:
        """Whether anything happens in silence."""
        return self.heartbeat is not None or self.idle_timeout is not None

    def check(self) -> None:
        """Raise ConfigurationError if a time is none."""
        for name in ("heartbeat", "idle_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ConfigurationError(f"{name} is {seconds} s; it must be more than 0")

    def waits(self) -> Iterator[float]:
        """For how many seconds to wait, again and again; a heartbeat is due between two of them.

        Raises RequestTimeoutError when it has taken too long.
        """
        waited = 0.0
        while self.idle_timeout is None or waited < self.idle_timeout:
            left = [] if self.idle_timeout is None else [self.idle_timeout - waited]
            beat = [] if self.heartbeat is None else [self.heartbeat]
            seconds = min(*left, *beat) if left and beat else (*left, *beat)[0]
            yield seconds
            waited += seconds
        raise RequestTimeoutError(f"the stream said nothing for {self.idle_timeout:g} s (idle_timeout)")

    async def ended_within(self, answer: asyncio.Future[Any], seconds: float) -> bool:
        """Wait for an answer for so many seconds; whether it is there."""
        if self.clock is None or answer.done():
            return bool((await asyncio.wait((answer,), timeout=seconds))[0])
        passed = asyncio.get_running_loop().create_future()

        def pass_by() -> None:
            if not passed.done():
                passed.set_result(None)

        call = self.clock.call_at(self.clock.now() + seconds * 1000.0, pass_by)
        try:
            await asyncio.wait((answer, passed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.cancel()
            passed.cancel()
        return answer.done()

    def over_within(self, answer: concurrent.futures.Future[Any], seconds: float) -> bool:
        """The same without an event loop."""
        if self.clock is None or answer.done():
            return bool(concurrent.futures.wait((answer,), seconds).done)
        passed = threading.Event()
        answer.add_done_callback(lambda _: passed.set())
        call = self.clock.call_at(self.clock.now() + seconds * 1000.0, passed.set)
        try:
            passed.wait()
        finally:
            call.cancel()
        return answer.done()
