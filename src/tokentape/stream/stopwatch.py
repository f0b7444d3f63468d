"""Measures when the chunks of a stream come."""

from __future__ import annotations

import itertools
import time
from array import array
from collections.abc import Callable

from tokentape.message import ChatMessage
from tokentape.stream.observer import Item, ObservedStream
from tokentape.timing import StreamTiming


def steady_time() -> Callable[[], float]:
    """Return a function that returns unix time in s, and does not jump if the machine's clock is set meanwhile."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


class Stopwatch:
    """The times of one stream; `now` returns unix time in s."""

    def __init__(self, now: Callable[[], float], began: float | None) -> None:
        self.now = now
        self._began = began
        self._ended: float | None = None
        self._times = array("d")

    def start(self) -> None:
        """Count from now, if the time of the request is not known."""
        if self._began is None:
            self._began = self.now()

    def arrived(self, item: Item) -> None:
        """Note the time of an item with output."""
        if isinstance(item, ChatMessage):
            if item.text or item.reasoning or item.refusal or item.tool_call_deltas or item.tool_calls:
                self._times.append(self.now())
        else:
            self._times.extend([self.now()] * len(item))

    def ended(self, _: ObservedStream) -> None:
        """Note the end."""
        self._ended = self.now()

    def timing(self) -> StreamTiming:
        """Return the times so far."""
        times, end = self._times, self._ended
        began = self._began
        if began is None:
            return StreamTiming(None, (), 0.0)
        between = tuple(later - earlier for earlier, later in itertools.pairwise(times))
        return StreamTiming(times[0] - began if times else None, between, (self.now() if end is None else end) - began)
