"""Lag: how late this process was while it read streams, which is neither the app's time nor the provider's."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable


class Lag:
    """The greatest lag since any time. Only a measurement that no later one exceeds is kept, so it stays small."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._lags: list[float] = []
        self._due = math.inf

    def add(self, now: float, lag: float) -> None:
        """Add a measurement; `now` ascends."""
        while self._lags and self._lags[-1] <= lag:
            self._times.pop()
            self._lags.pop()
        self._times.append(now)
        self._lags.append(lag)

    def since(self, time: float, now: float) -> float:
        """The greatest lag measured at this time or later, or that of a measurement that is overdue; 0 if none was."""
        place = bisect_left(self._times, time)
        measured = self._lags[place] if place < len(self._lags) else 0.0
        return max(measured, now - max(self._due, time), 0.0)

    def measure(self, now: Callable[[], float], sleep: Callable[[float], object], period: float = 0.01) -> None:
        """Add how much longer than `period` each sleep takes, in the unit of `now`, until `sleep` raises."""
        while True:
            began = now()
            self._due = began + period
            sleep(period)
            ended = now()
            self.add(ended, max(0.0, ended - began - period))
