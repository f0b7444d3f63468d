"""The end of a response's log in Redis at which its owner adds events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from tokentape.web.resumable.buffer import Owner, full
from tokentape.web.resumable.log import OFFSET_SIZE, EventLog, ResponseStatus

_MOST_WAITING = 1 << 20
"""The bytes that may wait for Redis before the provider is read on."""
_MOST_AT_ONCE = 500
"""The events that are sent in one command."""


class RedisSink:
    """Keeps events until Redis has them; only then the readers of this process see them, in `log`.

    `changed` is called when there is something to send, once until `take`; `unread` when no reader is left here: the
    other workers are to be counted.
    """

    def __init__(
        self,
        key: str,
        log: EventLog,
        max_bytes: int | None,
        changed: Callable[[RedisSink], None],
        unread: Callable[[RedisSink], None],
    ) -> None:
        self.key = key
        self.log = log
        self.owner: Owner | None = None
        self.attached = False
        self.remote_readers = 0
        self.closed = False
        self._max_bytes = max_bytes
        self._size = 0
        self._changed = changed
        self._unread = unread
        self._events: list[bytes] = []
        self._waiting = 0
        self._status: ResponseStatus = "running"
        self._stopped = False
        self._announced = False
        self._room: Future[None] | None = None
        self._lock = threading.RLock()

    @property
    def readers(self) -> int:
        """The readers in this process, and the other workers that have some."""
        return self.log.readers + self.remote_readers

    def attach(self, owner: Owner) -> None:
        """Set the owner."""
        self.owner, self.attached = owner, True
        self.log.on_readers = self._local_readers_changed
        if self._stopped:
            owner.stop()

    def append(self, events: Iterable[bytes]) -> None:
        """Add events. Raises BufferFullError."""
        self._add(events)
        if self._max_bytes is not None and self._size > self._max_bytes:
            raise full(self._max_bytes)

    def end(self, status: ResponseStatus, events: Iterable[bytes]) -> None:
        """Add the last events, and end the response."""
        with self._lock:
            self._status = status
            self._add(events)
        self.owner = self.log.on_readers = None

    def _add(self, events: Iterable[bytes]) -> None:
        with self._lock:
            if self.closed:
                return
            before = len(self._events)
            self._events += events
            added = sum(map(len, self._events[before:])) + OFFSET_SIZE * (len(self._events) - before)
            self._size += added
            self._waiting += added
            announce, self._announced = not self._announced, True
        if announce:
            self._changed(self)

    def backlog(self) -> Future[None] | None:
        """Return what is done when Redis has most of the events; None if few wait."""
        with self._lock:
            if self._waiting <= _MOST_WAITING or self.closed:
                return None
            if self._room is None:
                self._room = Future()
            return self._room

    def take(self) -> tuple[list[bytes], ResponseStatus]:
        """Return the next events to send, and the status after them. They stay until `sent`."""
        with self._lock:
            self._announced = False
            events = self._events[:_MOST_AT_ONCE]
            return events, self._status if len(events) == len(self._events) else "running"

    def sent(self, count: int, status: ResponseStatus) -> None:
        """Show the readers what Redis has now; what is left to send is announced."""
        with self._lock:
            events = self._events[:count]
            del self._events[:count]
            self._waiting -= sum(map(len, events)) + OFFSET_SIZE * count
            room = self._room if self._waiting <= _MOST_WAITING else None
            if room is not None:
                self._room = None
            left = bool(self._events) or self._status != status
            announce = left and not self._announced
            self._announced = self._announced or left
        self.log.append(events)
        if status != "running":
            self.closed = True
            self.log.end(status)
        if room is not None:
            room.set_result(None)
        if announce:
            self._changed(self)

    def lose(self, error: Exception) -> None:
        """End the response for this process: Redis does not have it, or can't be reached."""
        with self._lock:
            self.closed = True
            room, self._room = self._room, None
        self.log.break_off(error)
        if room is not None:
            room.set_result(None)
        self.stop()

    def stop(self) -> bool:
        """Stop the response; return whether it was running."""
        self._stopped, owner = True, self.owner
        if owner is not None:
            owner.stop()
        return owner is not None

    def set_remote_readers(self, count: int) -> None:
        """Note how many other workers have readers, and that readers here may have left."""
        self.remote_readers, owner = count, self.owner
        if owner is not None:
            owner.readers_changed()

    def _local_readers_changed(self) -> None:
        owner = self.owner
        if owner is not None and self.log.readers:
            owner.readers_changed()
        else:
            self._unread(self)
