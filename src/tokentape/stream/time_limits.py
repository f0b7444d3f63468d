"""How long a stream may take: from item to item, and in all."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import NamedTuple, TypeVar

import anyio

from tokentape.arguments import require_number
from tokentape.clock import Clock
from tokentape.errors import ConfigurationError, RequestTimeoutError
from tokentape.stream.closing import close_iterator
from tokentape.stream.thread_reader import ThreadReader
from tokentape.stream.timeouts import Timeouts

ItemT = TypeVar("ItemT")


class TimeLimits(NamedTuple):
    """The most seconds from one read to the next, and from the first read to the end."""

    idle: float | None
    total: float | None
    clock: Clock | None

    def check(self) -> None:
        """Raise ConfigurationError if there is no limit, or one that is not a positive number."""
        limits = {"idle": self.idle, "total": self.total}
        if limits == dict.fromkeys(limits):
            raise ConfigurationError("limit_time() has no limit: give idle or total, in seconds")
        for name, seconds in limits.items():
            if seconds is not None:
                require_number(seconds, f"limit_time(): {name}")

    def now(self) -> float:
        """Return the time in s."""
        return time.monotonic() if self.clock is None else self.clock.now() / 1000.0

    def left(self, began: float) -> float:
        """Return how many seconds the next read of a stream that began then may take. Raises RequestTimeoutError."""
        left = math.inf if self.total is None else self.total - (self.now() - began)
        if left <= 0:
            raise self.passed(began)
        return left if self.idle is None else min(left, self.idle)

    def passed(self, began: float) -> RequestTimeoutError:
        """Return the error of a read that took too long."""
        if self.total is not None and (self.idle is None or self.now() - began >= self.total - 1e-6):
            return RequestTimeoutError(f"the stream was not complete after {self.total:g} s (total)")
        return RequestTimeoutError(f"the stream sent nothing for {self.idle:g} s (idle)")


def limited(source: Iterable[ItemT], limits: TimeLimits) -> Iterator[ItemT]:
    """Iterate a source, which is read in a thread. Raises RequestTimeoutError."""
    timeouts, began = Timeouts(clock=limits.clock), limits.now()
    reader = ThreadReader(source)
    try:
        while True:
            seconds = limits.left(began)
            future = reader.read_next()
            if not timeouts.wait_done(future, seconds):
                raise limits.passed(began)
            item = future.result()
            if item is None:
                return
            yield item
    finally:
        reader.abandon()


async def alimited(source: AsyncIterable[ItemT], limits: TimeLimits) -> AsyncIterator[ItemT]:
    """`limited` for an async source, of which a read that takes too long is cancelled."""
    iterator, began = aiter(source), limits.now()
    try:
        while True:
            item, scope = None, anyio.CancelScope()
            seconds = limits.left(began)
            try:
                with scope:
                    if limits.clock is None:
                        scope.deadline = anyio.current_time() + seconds
                        item = await anext(iterator, None)
                    else:
                        call = limits.clock.call_at((limits.now() + seconds) * 1000.0, scope.cancel)
                        try:
                            item = await anext(iterator, None)
                        finally:
                            call.cancel()
            except Exception as error:
                if scope.cancel_called:  # the source reports its cancellation as an error of its own
                    raise limits.passed(began) from error
                raise
            if scope.cancelled_caught:
                raise limits.passed(began)
            if item is None:
                return
            yield item
    finally:
        await close_iterator(iterator, source)
