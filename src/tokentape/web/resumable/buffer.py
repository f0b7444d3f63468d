"""Where the events of resumable responses are kept: in memory, unless another buffer is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, get_args
from uuid import uuid4

from tokentape.arguments import require_number
from tokentape.clock import Call, Clock, MachineClock
from tokentape.errors import BufferFullError, ConfigurationError, ResponseNotFoundError
from tokentape.web.resumable.log import EventLog, ResponseStatus

WhenFull: TypeAlias = Literal["drop", "fail"]
"""What happens when a response has more bytes than the buffer keeps: its oldest events are dropped, or it fails."""

ValueT = TypeVar("ValueT")


class Owner(Protocol):
    """What reads the provider for a response, in this process."""

    def stop(self) -> None:
        """Stop the response at once, because a user requested it."""

    def readers_changed(self) -> None:
        """Note that the number of readers changed."""


class EventSink(Protocol):
    """The end of a response's log at which its owner adds events. No method blocks."""

    @property
    def readers(self) -> int:
        """The number of readers in all processes."""

    def attach(self, owner: Owner) -> None:
        """Set the owner. What happened before is reported to it now."""

    def append(self, events: Iterable[bytes]) -> None:
        """Add events. Raises BufferFullError, after which the response can still be ended."""

    def end(self, status: ResponseStatus, events: Iterable[bytes]) -> None:
        """Add the last events, and end the response."""

    def backlog(self) -> Future[None] | None:
        """Return what to wait for before more events are added; None if that is nothing."""


class Buffer(Protocol):
    """Keeps responses by their ids. A future is done when the answer is there; it may be awaited or waited for."""

    def create(self, id: str, *, replace: bool) -> Future[EventSink | None]:  # noqa: A002 - the parameter's own name
        """Create a response; the result is None if there is one with this id, unless it is to be replaced.

        One that is replaced is stopped if it is running.
        """

    def open(self, id: str, failed: Callable[[Exception], Iterable[bytes]]) -> Future[EventLog]:  # noqa: A002
        """Return the log of a response; `failed` formats the last events if its worker is lost.

        Raises ResponseNotFoundError, BufferUnavailableError.
        """

    def forget(self, sink: Any) -> Future[None]:
        """Keep the response of a sink no longer, which has ended; another one with its id is kept."""

    def stop(self, id: str) -> Future[bool]:  # noqa: A002
        """Stop a response in whatever process it runs; the result is whether it was running."""

    def status(self, id: str) -> Future[ResponseStatus | None]:  # noqa: A002
        """Return the status of a response; None if no such response is kept."""


def done(value: ValueT) -> Future[ValueT]:
    """Return a future with a result."""
    future: Future[ValueT] = Future()
    future.set_result(value)
    return future


def check_limits(when_full: str, **numbers: float) -> None:
    """Raise ConfigurationError for a number that is not positive or an unknown policy."""
    for name, number in numbers.items():
        require_number(number, name, "bytes" if name.endswith("bytes") else "seconds")
    if when_full not in get_args(WhenFull):
        raise ConfigurationError(f"when_full is {when_full!r}; it can be 'drop' or 'fail'")


def not_found(id: str) -> ResponseNotFoundError:  # noqa: A002
    """Return the error for an id of which no response is kept."""
    return ResponseNotFoundError(
        f"no response {id!r:.80} is kept: it was never started, or it ended longer ago than responses are kept; show "
        "the answer from where the app stores it, or request a new one"
    )


def full(most: int) -> BufferFullError:
    """Return the error for a response that is larger than its buffer may be."""
    return BufferFullError(
        f"the response has more bytes than its buffer keeps ({most}): raise the limit, or drop events"
    )


class MemoryBuffer:
    """Keeps responses in this process.

    `max_bytes` limits all responses together and `max_response_bytes` each of them; `max_age` is how many seconds a
    response is kept after its end, on `clock`. When there is no room, responses that have ended go first, the oldest
    before the others; then `when_full` decides: `"drop"` drops the oldest events of the response that grows, whose
    readers get an error if they have not received them, and `"fail"` ends the response with BufferFullError.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 256 << 20,
        max_response_bytes: int = 4 << 20,
        max_age: float = 900.0,
        when_full: WhenFull = "drop",
        clock: Clock | None = None,
    ) -> None:
        check_limits(when_full, max_bytes=max_bytes, max_response_bytes=max_response_bytes, max_age=max_age)
        self._max_bytes = max_bytes
        self._max_response_bytes = min(max_response_bytes, max_bytes)
        self._max_age = max_age * 1000.0
        self._when_full = when_full
        self._clock = clock or MachineClock()
        self._responses: dict[str, MemorySink] = {}
        self._ended: dict[str, float] = {}  # when each expires, the earliest first
        self._size = 0
        self._expiry: Call | None = None
        self._lock = threading.RLock()

    @property
    def size(self) -> int:
        """The bytes that all responses take."""
        return self._size

    def create(self, id: str, *, replace: bool = False) -> Future[EventSink | None]:  # noqa: A002
        """Create a response."""
        with self._lock:
            self._expire()
            existing = self._responses.get(id)
            if existing is not None:
                if not replace:
                    return done(None)
                self._forget(id)
            sink = self._responses[id] = MemorySink(self, id)
        if existing is not None:
            existing.stop()
        return done(sink)

    def open(self, id: str, failed: Callable[[Exception], Iterable[bytes]]) -> Future[EventLog]:  # noqa: A002, ARG002
        """Return the log of a response. Raises ResponseNotFoundError."""
        with self._lock:
            self._expire()
            if id in self._responses:
                return done(self._responses[id].log)
        raise not_found(id)

    def forget(self, sink: Any) -> Future[None]:
        """Keep the response of a sink no longer; another one with its id is kept."""
        with self._lock:
            if self._responses.get(id := sink.id) is sink:  # noqa: A001
                self._forget(id)
        return done(None)

    def stop(self, id: str) -> Future[bool]:  # noqa: A002
        """Stop a response; the result is whether it was running."""
        sink = self._responses.get(id)
        return done(sink is not None and sink.stop())

    def status(self, id: str) -> Future[ResponseStatus | None]:  # noqa: A002
        """Return the status of a response; None if no such response is kept."""
        with self._lock:
            self._expire()
            return done(self._responses[id].log.status if id in self._responses else None)

    def _grow(self, sink: MemorySink, events: Iterable[bytes]) -> int:
        """Add events; return by how many bytes there are too many now."""
        with self._lock:
            grown = sink.log.append(events)
            if self._responses.get(sink.id) is not sink:  # replaced or forgotten: only its readers have it
                return 0
            self._size += grown
            while self._size > self._max_bytes and self._ended:
                self._forget(next(iter(self._ended)))
            excess = max(sink.log.size - self._max_response_bytes, self._size - self._max_bytes)
            if excess > 0 and self._when_full == "drop":
                self._size -= sink.log.drop(excess)
            return excess

    def append(self, sink: MemorySink, events: Iterable[bytes]) -> None:
        """Add events to a response. Raises BufferFullError."""
        if self._grow(sink, events) > 0 and self._when_full == "fail":
            raise full(self._max_response_bytes)

    def end(self, sink: MemorySink, status: ResponseStatus, events: Iterable[bytes]) -> None:
        """Add the last events of a response, and end it."""
        self._grow(sink, events)
        with self._lock:
            if self._responses.get(sink.id) is sink:
                self._ended[sink.id] = self._clock.now() + self._max_age
                self._schedule()
        sink.log.end(status)

    def _expire(self) -> None:
        now = self._clock.now()
        while self._ended and self._ended[id := next(iter(self._ended))] <= now:  # noqa: A001
            self._forget(id)

    def _schedule(self) -> None:
        if self._expiry is None and self._ended:
            self._expiry = self._clock.call_at(next(iter(self._ended.values())), self._expiry_due)

    def _expiry_due(self) -> None:
        with self._lock:
            self._expiry = None
            self._expire()
            self._schedule()

    def _forget(self, id: str) -> None:  # noqa: A002
        self._ended.pop(id, None)
        self._size -= self._responses.pop(id).log.size


class MemorySink:
    """The sink of one response in memory."""

    def __init__(self, buffer: MemoryBuffer, id: str) -> None:  # noqa: A002
        self.id = id
        self.log = EventLog(uuid4().hex[:8])
        self._buffer = buffer
        self._owner: Owner | None = None
        self._stopped = False

    @property
    def readers(self) -> int:
        """The number of readers."""
        return self.log.readers

    def attach(self, owner: Owner) -> None:
        """Set the owner."""
        self._owner = owner
        self.log.on_readers = self._readers_changed
        if self._stopped:
            owner.stop()

    def append(self, events: Iterable[bytes]) -> None:
        """Add events. Raises BufferFullError."""
        self._buffer.append(self, events)

    def end(self, status: ResponseStatus, events: Iterable[bytes]) -> None:
        """Add the last events, and end the response."""
        self._buffer.end(self, status, events)
        self._owner = self.log.on_readers = None

    def backlog(self) -> Any:
        """Return None: memory takes any number of events at once."""
        return None

    def stop(self) -> bool:
        """Stop the response; return whether it was running."""
        if self.log.ended:
            return False
        self._stopped, owner = True, self._owner
        if owner is not None:
            owner.stop()
        return True

    def _readers_changed(self) -> None:
        owner = self._owner
        if owner is not None:
            owner.readers_changed()
