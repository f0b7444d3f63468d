"""The numbered events of one response, as far as they are kept; no I/O, no clock."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from tokentape.errors import EventsDroppedError

ResponseStatus: TypeAlias = Literal["running", "complete", "failed", "stopped"]
"""Whether a response is still generated, and how it ended."""

_MOST_AT_ONCE = 65_536
"""About how many bytes one read returns."""
OFFSET_SIZE = 8
"""The bytes that an event takes beside its own."""


class EventLog:
    """A log of numbered events that several threads and event loops read while it grows.

    Numbers start at 1. `epoch` distinguishes this response from another one with the same id. An event is the bytes of
    one server-sent event, without its `id`.
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.status: ResponseStatus = "running"
        self.error: Exception | None = None
        """Why no more events come, if this process can't follow the response any longer."""
        self.readers = 0
        self.on_readers: Callable[[], None] | None = None
        """Called after the number of readers has changed."""
        self._first = 1
        self._data = bytearray()
        self._ends = array("Q")  # where each event ends, counted from the first that there was
        self._dropped = 0  # the bytes in front of the first that is kept
        self._waiting: dict[Callable[[], None], None] = {}
        self._lock = threading.RLock()  # the garbage collector may close a reader at any time

    @property
    def first(self) -> int:
        """The number of the first event that is kept."""
        return self._first

    @property
    def last(self) -> int:
        """The number of the last event; one less than `first` if there is none."""
        return self._first + len(self._ends) - 1

    @property
    def size(self) -> int:
        """The bytes that the events take."""
        return len(self._data) + OFFSET_SIZE * len(self._ends)

    @property
    def ended(self) -> bool:
        """Whether no more events come."""
        return self.status != "running" or self.error is not None

    def start(self, epoch: str, first: int) -> None:
        """Set what was unknown of a log without events: its epoch, and the number of its first event."""
        self.epoch, self._first = epoch, first

    def append(self, events: Iterable[bytes]) -> int:
        """Add events and wake the readers; return by how many bytes the log grew."""
        with self._lock:
            before = self.size
            for event in events:
                self._data += event
                self._ends.append(self._dropped + len(self._data))
            grown = self.size - before
        if grown:
            self._wake()
        return grown

    def end(self, status: ResponseStatus) -> None:
        """End the log."""
        self.status = status
        self._wake()

    def break_off(self, error: Exception) -> None:
        """End the log for the readers of this process, without an event."""
        self.error = error
        self._wake()

    def drop(self, excess: int) -> int:
        """Drop the oldest events, at least `excess` bytes but never the last event; return the number of bytes."""
        with self._lock:
            before, count, freed = self.size, 0, 0
            while count < len(self._ends) - 1 and freed < excess:
                count += 1
                freed = self._ends[count - 1] - self._dropped + OFFSET_SIZE * count
            if count:
                dropped = self._ends[count - 1]
                del self._data[: dropped - self._dropped]
                del self._ends[:count]
                self._dropped = dropped
                self._first += count
            return before - self.size

    def check(self, number: int) -> None:
        """Raise EventsDroppedError unless all events after this one are kept or still to come."""
        if number > self.last:
            raise EventsDroppedError(
                f"the cursor is after event {number}, but the response has only {self.last}: read it again from the "
                "start, without a cursor"
            )
        if number < self._first - 1:
            raise EventsDroppedError(
                f"events {number + 1} to {self._first - 1} of this response were dropped because its buffer was full: "
                "show the answer from where the app stores it, or request a new one"
            )

    def after(self, number: int) -> tuple[bytes, int]:
        """Return the events after this one, each with its id, and the number of the last of them; b"" if none is there.

        Raises EventsDroppedError.
        """
        events: list[bytes | bytearray] = []
        with self._lock:
            self.check(number)
            epoch, position = self.epoch.encode(), number - self._first + 1
            begin = start = (self._ends[position - 1] if position else self._dropped) - self._dropped
            while position < len(self._ends) and start - begin < _MOST_AT_ONCE:
                end = self._ends[position] - self._dropped
                number, position = number + 1, position + 1
                events += (b"id: %s-%d\n" % (epoch, number), self._data[start:end])
                start = end
        return b"".join(events), number

    def wait(self, number: int, wake: Callable[[], None]) -> bool:
        """Call `wake` once when there are events after this one or the log has ended; return False if it is so now."""
        with self._lock:
            if self.last > number or self.ended:
                return False
            self._waiting[wake] = None
            return True

    def forget(self, wake: Callable[[], None]) -> None:
        """Call `wake` no longer: its reader has left, and there may be no event for long."""
        with self._lock:
            self._waiting.pop(wake, None)

    def join(self) -> None:
        """Count one more reader."""
        self._count(1)

    def leave(self) -> None:
        """Count one reader less."""
        self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self.readers += change
        if self.on_readers is not None:
            self.on_readers()

    def _wake(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for wake in waiting:
            wake()
