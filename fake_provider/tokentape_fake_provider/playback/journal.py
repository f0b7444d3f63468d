"""The journal: each request, the source of its response, and what was sent when."""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from concurrent.futures import Future
from copy import copy
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise, takewhile
from operator import sub
from typing import Any, Final, Literal, NamedTuple

import msgspec

from tokentape_fake_provider.event_loops.driven_loop import DrivenLoop
from tokentape_fake_provider.event_loops.futures import running_loop, settle
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.playback.secret_names import is_secret_name, mask_members, mask_parameters, mask_protocols
from tokentape_fake_provider.tape import Tape

AnsweredBy = Literal["queue", "rule", "recording", "synthetic", "models", "stored", "fault", "error"]
Outcome = Literal["pending", "complete", "client_left", "dropped", "reset", "server_stopped"]

MASK: Final = "(masked)"


@lru_cache(maxsize=4096)
def _header_name(name: bytes) -> tuple[str, Callable[[bytes], str] | None]:
    """Return the name of a header as text, and what masks its values if they may be secret."""
    text = name.decode("latin-1")
    if text == "sec-websocket-protocol":
        return text, lambda value: mask_protocols(value.decode("latin-1"), MASK)
    return text, (lambda _: MASK) if is_secret_name(text, "header") else None


class TokenCounts(msgspec.Struct, frozen=True, gc=False):
    """The tokens of the prompt, cached ones included, and those of the response; `None` if unknown."""

    input: int | None = None
    output: int | None = None


class PlannedFrame(NamedTuple):
    """A frame, sent or not: when it is due and when it was sent (ms since the request), its bytes and their number.

    `data` is `None` if the journal has dropped it to keep its limit.
    """

    at: float
    left: float | None
    size: int
    data: bytes | None


class SentFrame(NamedTuple):
    """One frame: when it was due and when it was sent (ms since the request), the lateness, the number of bytes."""

    at: float
    left: float
    lateness: float
    size: int


class EntryFields(msgspec.Struct, frozen=True):
    """What an entry has as JSON besides headers, body and frames; docs/control-api.md explains the fields."""

    number: int
    session: str
    time: float
    arrived: float
    method: str
    path: str
    query: str
    wire: str | None
    model: str | None
    http_version: str
    status: int | None
    retry_after: float | None
    answered_by: AnsweredBy | None
    source: str
    note: str
    faults: Sequence[str]
    normalised: Sequence[str]
    misses: Sequence[NearMiss]
    usage: TokenCounts | None
    outcome: Outcome
    started: float | None
    first_frame: float | None
    lateness: float | None
    ended: float | None
    frames_sent: int
    frames_planned: int
    bytes_sent: int


def _no_times() -> array[float]:
    return array("d")


class Entry(msgspec.Struct, kw_only=True, eq=False, dict=True):
    """One request and its response. Times are in ms since the request arrived, `time` is unix time in s.

    `arrived` is when it arrived, in ms of the session's clock; `retry_after` is the response's own, in s. `model` is
    the one that the body or the path names. `usage` counts the tokens of the whole response, also where less of it was
    sent. `worker` is the process that answers it, if that is another one; `on_start` is called just before
    the first part of the body is sent. `by_hand` is whether a test or a person lets its frames wait. `payload` has the
    bytes of the body, sent or not: those of each frame while they are sent one by one, then joined.
    """

    session: str
    time: float
    method: str
    path: str
    query: str
    raw_headers: Iterable[tuple[bytes, bytes]]
    raw_body: bytes
    wire: str | None
    http_version: str = ""
    arrived: float = 0.0
    number: int = 0
    worker: str = ""
    on_start: Callable[[], None] | None = None
    status: int | None = None
    retry_after: float | None = None
    answered_by: AnsweredBy | None = None
    source: str = ""
    note: str = ""
    faults: Sequence[str] = ()
    normalised: Sequence[str] = ()
    misses: Sequence[NearMiss] = ()
    model: str | None = None
    # A function where counting reads the whole response: it runs only if somebody wants to know.
    counts: TokenCounts | Callable[[], TokenCounts | None] | None = None
    instant: bool = False
    by_hand: bool = False
    outcome: Outcome = "pending"
    started: float | None = None
    ended: float | None = None
    frames_planned: int = 0
    # Arrays, because at 500 streams the garbage collection of objects stopped all streams for 70 ms.
    # `left` has the time at which each frame was sent; an instant response has one time for all of them.
    due: MutableSequence[float] = msgspec.field(default_factory=_no_times)
    sizes: Sequence[int] = ()
    left: array[float] = msgspec.field(default_factory=_no_times)
    response_headers: Sequence[tuple[str, str]] = ()
    payload: list[bytes] | bytes | None = None
    counted_size: int = 0

    def __post_init__(self) -> None:
        if self.query:
            self.query = mask_parameters(self.query, MASK)

    def __repr__(self) -> str:  # of an error or a log: without headers and bodies, which have secrets
        return f"<Entry {self.number}: {self.method} {self.path}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("number", self.number), ("method", self.method), ("path", self.path)]

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """The request's headers, their secrets masked."""
        names = [(*_header_name(name), value) for name, value in self.raw_headers]
        return [(name, value.decode("latin-1") if mask is None else mask(value)) for name, mask, value in names]

    def snapshot(self) -> Entry:
        """Return a copy that stays as it is, for a thread that reads it while frames are sent."""
        snapshot = copy(self)
        snapshot.__dict__.update(self.__dict__)
        snapshot.left = self.left[:]
        return snapshot

    def plan(self, tape: Tape) -> list[bytes]:
        """Set the frames that are to be sent one by one, and return the bytes of each."""
        self.payload = data = [frame.data for frame in tape.frames]
        self.due, self.sizes = array("d", [frame.at for frame in tape.frames]), tape.sizes
        self.frames_planned = len(data)
        return data

    @cached_property
    def body(self) -> Any:
        """The request body as JSON, its secrets masked; `None` if it is not JSON, or nested too deeply."""
        try:
            body = msgspec.json.decode(self.raw_body)
            mask_members(body, MASK)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        return body

    @cached_property
    def usage(self) -> TokenCounts | None:
        """The tokens of the response."""
        return self.counts() if callable(self.counts) else self.counts

    @property
    def client_left(self) -> bool:
        """Whether the client closed the connection before everything was sent."""
        return self.outcome == "client_left"

    @property
    def frames_sent(self) -> int:
        """The number of frames that were sent."""
        return len(self.sizes) if self.instant and self.left else len(self.left)

    @property
    def bytes_sent(self) -> int:
        """The number of body bytes that were sent."""
        return sum(self.sizes[: self.frames_sent])

    @property
    def first_frame(self) -> float | None:
        """When the first frame was sent; `None` if none was."""
        return self.left[0] if self.left else None

    @property
    def lateness(self) -> float | None:
        """How late the latest frame was sent, in ms; `None` if none was."""
        if not self.left:
            return None
        return self.left[0] if self.instant else max(map(sub, self.left, self.due))

    @property
    def frames(self) -> list[SentFrame]:
        """Each frame that was sent."""
        count = self.frames_sent
        left = list(self.left) * count if self.instant else self.left
        due = [0.0] * count if self.instant else self.due
        rows = zip(due, left, self.sizes, strict=False)
        return [SentFrame(at, left_at, left_at - at, size) for at, left_at, size in rows]

    @property
    def planned(self) -> list[PlannedFrame]:
        """Each frame, sent or not."""
        count, sent = len(self.sizes), self.frames_sent
        due = [0.0] * count if self.instant else self.due
        left = [*(list(self.left) * sent if self.instant else self.left), *[None] * (count - sent)]
        return [PlannedFrame(*frame) for frame in zip(due, left, self.sizes, self._frame_data(), strict=False)]

    def _frame_data(self) -> Sequence[bytes | None]:
        match self.payload:
            case None:
                return [None] * len(self.sizes)
            case bytes() as joined:
                ends = [*accumulate(self.sizes, initial=0)]
                return [joined[start:end] for start, end in pairwise(ends)]
            case frames:
                return frames

    @property
    def sent_body(self) -> bytes | None:
        """The bytes of the body that were sent; `None` if the journal has dropped them."""
        match self.payload:
            case None:
                return None if self.frames_sent else b""
            case bytes() as joined:
                return joined[: self.bytes_sent]
            case frames:
                return b"".join(frames[: self.frames_sent])

    @property
    def next_due(self) -> float | None:
        """When the next frame is due, or was when the response ended; `None` if all were sent, or none is known."""
        sent = self.frames_sent
        if sent >= self.frames_planned or self.started is None:
            return None
        return self.due[sent] if sent < len(self.due) else self.started

    @property
    def size(self) -> int:
        """Roughly the bytes of memory that this entry takes."""
        payload = self.payload
        size = 0 if payload is None else len(payload) if isinstance(payload, bytes) else sum(self.sizes)
        return 2000 + len(self.raw_body) + 24 * self.frames_planned + size

    def to_builtins(self, *, frames: bool = False, body: bool = True) -> dict[str, Any]:
        """Return the entry as JSON; `frames` adds the list of frames, `body=False` leaves the body out."""
        fields = {name: getattr(self, name) for name in EntryFields.__struct_fields__}
        fields["headers"] = self.headers
        if body:
            fields["body"] = self.body
        if frames:
            fields["frames"] = [frame._asdict() for frame in self.frames]
        return fields


class Journal:
    """The entries of one session, oldest first; safe to read from any thread.

    At most `limit` entries and about `limit_bytes` bytes are kept: beyond that, the oldest entries lose the bytes of
    their responses, and then the oldest are dropped; `forgotten` counts these.
    """

    def __init__(self, *, limit: int | None = 10_000, limit_bytes: int | None = 64_000_000) -> None:
        self.limit = limit
        self.limit_bytes = limit_bytes
        self.forgotten = 0
        self.cleared = 0
        """How often it was cleared."""
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._stripped = 0  # the number of the oldest entries that have lost the bytes of their responses
        self._added = 0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._watchers: list[Callable[[], object]] = []
        self._in_flight = 0
        self._driven: DrivenLoop | None = None

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries that are kept."""
        with self._lock:
            return tuple(self._entries)

    @property
    def kept(self) -> tuple[int, int]:
        """The number of the oldest entry that is kept (without any, of the next), and how many are kept."""
        with self._lock:
            return self._entries[0].number if self._entries else self._added, len(self._entries)

    @property
    def in_flight(self) -> int:
        """The number of responses that are being sent."""
        return self._in_flight

    def add(self, entry: Entry) -> None:
        """Add a request."""
        loop = running_loop()
        with self._lock:
            if isinstance(loop, DrivenLoop):
                self._driven = loop
            self._in_flight += 1
            entry.number = self._added
            self._added += 1
            self._insert(entry)

    def _insert(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._count(entry)
        self._shrink()
        self._notify()

    def finish(self, entry: Entry, outcome: Outcome, ended: float) -> None:
        """Record how the response ended."""
        entry.ended = ended
        if isinstance(entry.payload, list):
            entry.payload = b"".join(entry.payload)  # one object for the garbage collector, not one for each frame
        with self._lock:
            entry.outcome = outcome
            self._in_flight -= 1
            if self._entries and entry.number >= self._entries[0].number:
                self._count(entry)
                self._shrink()
            else:
                entry.payload = None
            self._notify()

    def since(self, number: int) -> tuple[list[Entry], int]:
        """The entries from this number on, oldest first, and the number of the next request."""
        with self._lock:
            new = list(takewhile(lambda entry: entry.number >= number, reversed(self._entries)))
            return new[::-1], self._added

    def find(self, number: int) -> Entry | None:
        """The entry with this number; `None` if it is not kept."""
        with self._lock:
            first = self._entries[0].number if self._entries else 0
            return self._entries[number - first] if first <= number < first + len(self._entries) else None

    def _count(self, entry: Entry) -> None:
        size = entry.size
        self._bytes += size - entry.counted_size
        entry.counted_size = size

    def _shrink(self) -> None:
        entries = self._entries
        if self.limit_bytes is not None:
            while self._bytes > self.limit_bytes and self._stripped < len(entries) - 1:
                oldest = entries[self._stripped]
                oldest.payload = None
                self._count(oldest)
                self._stripped += 1
        while len(entries) > 1 and (
            (self.limit is not None and len(entries) > self.limit)
            or (self.limit_bytes is not None and self._bytes > self.limit_bytes)
        ):
            self._bytes -= entries.popleft().counted_size
            self._stripped = max(0, self._stripped - 1)
            self.forgotten += 1

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()
            self._bytes = self._stripped = 0
            self.cleared += 1
            self._notify()

    def wait(self, until: Callable[[Sequence[Entry]], bool] | None = None, timeout: float = 10.0) -> Sequence[Entry]:
        """Return the entries once `until` is true of them; without it, once every response has ended.

        A client receives the last byte slightly before the server records that. Open responses of sync transports
        continue meanwhile. Raises `TimeoutError` after `timeout` s.
        """
        condition = until or _settled
        loop = self._driven
        if loop is not None and not loop.is_closed() and running_loop() is None:
            return self._drive(loop, condition, timeout)
        with self._changed:
            self._waiting += 1
            try:
                if not self._changed.wait_for(lambda: condition(tuple(self._entries)), timeout):
                    raise self._timeout_error(timeout)
            finally:
                self._waiting -= 1
            return tuple(self._entries)

    async def wait_async(
        self,
        until: Callable[[Sequence[Entry]], bool] | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Sequence[Entry]:
        """`wait` for coroutines; the event loop, and an async client in it, keep running."""
        condition = until or _settled
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self._lock:
            self._watchers.append(wake)
        try:
            async with asyncio.timeout(timeout):
                while not condition(entries := self.entries):
                    await changed.wait()
                    changed.clear()
                return entries
        except TimeoutError:
            raise self._timeout_error(timeout) from None
        finally:
            with self._lock:
                self._watchers.remove(wake)

    def _drive(self, loop: DrivenLoop, condition: Callable[[Sequence[Entry]], bool], timeout: float) -> Sequence[Entry]:
        """Run the loop until the condition is true; no other thread runs it now."""
        held: Future[None] = Future()

        def check() -> None:
            try:
                if condition(self.entries):
                    settle(held)
            except Exception as error:
                settle(held, error)

        with self._lock:
            self._watchers.append(check)
        try:
            check()
            loop.drive(held, timeout)
        except TimeoutError:
            raise self._timeout_error(timeout) from None
        finally:
            with self._lock:
                self._watchers.remove(check)
        held.result()
        return self.entries

    def _timeout_error(self, timeout: float) -> TimeoutError:
        pending = sum(entry.outcome == "pending" for entry in self._entries)
        return TimeoutError(
            f"the condition did not hold within {timeout:g} s: {len(self._entries)} requests, {pending} pending"
        )

    def _notify(self) -> None:
        if self._waiting:
            self._changed.notify_all()
        for wake in self._watchers:
            wake()


def _settled(entries: Sequence[Entry]) -> bool:
    return all(entry.outcome != "pending" for entry in entries)
