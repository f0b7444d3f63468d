"""Recording clock: when chunks arrive, and when a replay sends them."""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol


class RecordingClock(Protocol):
    """The time in ms since any fixed point, waits until such a time, and the date."""

    def now(self) -> float:
        """The time in ms."""

    def date(self) -> dt.datetime:
        """The date and time in UTC."""

    def wait_until(self, deadline: float) -> None:
        """Block until `deadline` (ms)."""

    async def wait_until_async(self, deadline: float) -> None:
        """Let other tasks run until `deadline` (ms)."""


class SystemClock:
    """The machine's monotonic clock and date."""

    def now(self) -> float:
        """ms of the monotonic clock."""
        return time.perf_counter() * 1000.0

    def date(self) -> dt.datetime:
        """The date, in UTC."""
        return dt.datetime.now(dt.UTC)

    def wait_until(self, deadline: float) -> None:
        """Sleep in this thread."""
        remaining = deadline - self.now()
        if remaining > 0:
            time.sleep(remaining / 1000.0)

    async def wait_until_async(self, deadline: float) -> None:
        """Sleep in the running event loop, asyncio's or trio's."""
        import anyio

        remaining = deadline - self.now()
        if remaining > 0:
            await anyio.sleep(remaining / 1000.0)
