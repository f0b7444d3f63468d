"""Lag: how late this process was while it read streams, which is neither the app's time nor the provider's."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

# What a sleep takes too long by itself, in s.
_USUAL: Final = 0.001


class Lag:
    """When this process was late: it was busy, or waited for a core, while it was to wake up."""

    def __init__(self) -> None:
        self._due = array("d")
        self._woke = array("d")
        self._next = math.inf

    def add(self, due: float, woke: float) -> None:
        """Add that the process was to wake up at `due`, after what was added before, and did at `woke`."""
        self._due.append(due)
        self._woke.append(woke)

    def within(self, start: float, end: float) -> float:
        """For how long it was late between these times, with a sleep that should have ended."""
        late = max(0.0, end - max(self._next, start))
        for place in range(bisect_right(self._woke, start), len(self._woke)):
            if self._due[place] >= end:
                break
            late += min(self._woke[place], end) - max(self._due[place], start)
        return late

    def measure(self, now: Callable[[], float], sleep: Callable[[float], object], period: float = 0.01) -> None:
        """Add each sleep of `period` (s, as `now`) that takes too long, until `sleep` raises."""
        while True:
            self._next = now() + period
            sleep(period)
            woke = now()
            if woke > self._next + _USUAL:
                self.add(self._next, woke)
