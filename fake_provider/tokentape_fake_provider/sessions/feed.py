"""The feed: what changes in the sessions of a server, for pages that watch it.

Nothing reports to it: while anybody reads, it looks at the sessions every 50 ms, so that requests and streams pay
nothing for it. A reader that does not keep up loses events, and learns that.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.event_loops.worker_thread import run_in_thread
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.stepped_stream import SteppedStream, StreamState
from tokentape_fake_provider.sessions.entry_row import entry_row
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.session import Session

EventKind: TypeAlias = Literal["request", "entry", "frames", "stream", "session", "reload", "gap"]

SAMPLED_S: Final = 0.05
KEPT: Final = 2_000
"""The most events that a reader may be behind, and that are kept for one that comes again."""
_QUIET_S: Final = 15.0

_AT_ONCE: Final = 500
"""The most new requests of a session in one sample; of more, only the last ones are events, after a gap."""
_TURN: Final = 20
"""The events that are formed before streams get their turn: these take about 0.5 ms."""

_LARGE: Final = 100_000
"""The bytes of a request and its response from which a thread reads them."""

_Change: TypeAlias = tuple[EventKind, Any]


class FeedEvent(NamedTuple):
    """An event; `session` is `None` if it concerns the server, `data` is JSON."""

    id: int
    kind: EventKind
    session: str | None
    data: bytes


class Feed:
    """The events of a server's sessions. All its readers are in one event loop; `publish` may be called anywhere."""

    def __init__(self) -> None:
        self._last = 0
        self._kept: deque[FeedEvent] = deque(maxlen=KEPT)
        self._readers: set[_Reader] = set()
        self._watched: dict[str, _Watched] = {}
        self._sampling: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._published: list[_Change] = []

    def publish(self, kind: EventKind, data: Any) -> None:
        """Send an event that concerns the server, if anybody reads."""
        with self._lock:
            if self._readers:
                self._published.append((kind, data))

    async def read(
        self, registry: SessionRegistry, session: str | None = None, since: int | None = None
    ) -> AsyncIterator[FeedEvent | None]:
        """Yield the events of a session (by default of all) from now on, or those after the id `since`.

        Yields `None` at the start, and where nothing happens for 15 s. A `gap` stands where events are missing: those
        after `since` are no longer known, or the reader was too slow.
        """
        reader = _Reader(session)
        begins = self._sampling is None
        if begins:
            self._kept.clear()
            self._watched = {watched.id: _Watched(watched, new=False) for watched in registry}
            self._sampling = asyncio.ensure_future(self._sample_on(registry))
        if since is not None:
            known = [event for event in self._kept if event.id > since]
            if begins or len(known) != self._last - since:
                reader.lose(self._last)
            else:
                reader.add(known)
        self._readers.add(reader)
        try:
            yield None
            while True:
                for event in reader.take():
                    yield event
                if not await reader.waits(_QUIET_S):
                    yield None
        finally:
            self._readers.discard(reader)
            if not self._readers and self._sampling is not None:
                self._sampling.cancel()
                self._sampling = None

    async def _sample_on(self, registry: SessionRegistry) -> None:
        while True:
            await asyncio.sleep(SAMPLED_S)
            events: list[FeedEvent] = []
            for session, kind, data in self._changes(registry):
                if isinstance(data, Entry):
                    large = data.size > _LARGE
                    data = await run_in_thread(partial(entry_row, data)) if large else entry_row(data)
                self._last += 1
                events.append(FeedEvent(self._last, kind, session, msgspec.json.encode(data)))
                if len(events) == _TURN:
                    self._give(events)
                    events = []
                    await asyncio.sleep(0)
            self._give(events)

    def _give(self, events: Iterable[FeedEvent]) -> None:
        self._kept.extend(events)
        for reader in self._readers:
            reader.add(events)

    def _changes(self, registry: SessionRegistry) -> Iterator[tuple[str | None, EventKind, Any]]:
        with self._lock:
            published, self._published = self._published, []
        for kind, data in published:
            yield None, kind, data
        left = dict(self._watched)
        for session in registry:
            watched = left.pop(session.id, None)
            if watched is None or watched.session is not session:
                if watched is not None:
                    yield session.id, "session", {"id": session.id, "deleted": True}
                watched = self._watched[session.id] = _Watched(session, new=True)
            for kind, data in watched.changes():
                yield session.id, kind, data
        for name in left:
            del self._watched[name]
            yield name, "session", {"id": name, "deleted": True}


class _Reader:
    """The events that one reader has not taken yet."""

    def __init__(self, session: str | None) -> None:
        self._session = session
        self._events: deque[FeedEvent] = deque()
        self._changed = asyncio.Event()

    def add(self, events: Iterable[FeedEvent]) -> None:
        for event in events:
            if event.session is not None and self._session not in (None, event.session):
                continue
            if len(self._events) >= KEPT:
                self.lose(event.id)
            else:
                self._events.append(event)
                self._changed.set()

    def lose(self, last: int) -> None:
        """Replace what is not taken yet by a gap that ends with the event `last`."""
        self._events.clear()
        self._events.append(FeedEvent(last, "gap", None, b"{}"))
        self._changed.set()

    def take(self) -> Iterator[FeedEvent]:
        while self._events:
            yield self._events.popleft()

    async def waits(self, seconds: float) -> bool:
        """Wait for an event; return whether one came within this time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True


class _Watched:
    """What was reported of a session; nothing yet of a `new` one."""

    def __init__(self, session: Session, *, new: bool) -> None:
        self.session = session
        self._journal = session.journal
        entries, following = self._journal.since(0)
        self._next = 0 if new else following
        self._responses = [] if new else [_Response(entry) for entry in entries if entry.outcome == "pending"]
        self._state = None if new else self._current()

    def _current(self) -> tuple[Any, ...]:
        summary = self.session.summary
        return msgspec.structs.replace(summary, requests=0, first=0), self.session.rules, self._journal.cleared

    def changes(self) -> Iterator[_Change]:
        state = self._current()
        if state != self._state:
            self._state = state
            yield "session", self.session.summary
        entries, self._next = self._journal.since(self._next)
        if len(entries) > _AT_ONCE:
            yield "gap", {}
        for entry in entries[-_AT_ONCE:]:
            response = _Response(entry)
            self._responses.append(response)
            response.over = entry.outcome != "pending"
            yield "request", entry
        if not self._responses:
            return
        streams = {stream.entry.number: stream for stream in self.session.streams.open}
        for response in self._responses:
            yield from response.changes(streams, self.session.id)
        self._responses = [response for response in self._responses if not response.over]


class _Response:
    """What was reported of a response that is not over."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.known = entry.answered_by is not None
        self.over = False
        self._sent = 0
        self._stream: SteppedStream | None = None
        self._state: StreamState | None = None

    def changes(self, streams: dict[int, SteppedStream], session: str) -> Iterator[_Change]:
        entry, where = self.entry, {"session": session, "number": self.entry.number}
        over, known = entry.outcome != "pending", entry.answered_by is not None
        self._stream = self._stream or streams.get(entry.number)
        first, sent = self._sent, len(entry.left)
        if sent > first and not entry.instant:
            self._sent = sent
            rows = zip(entry.due[first:sent], entry.left[first:sent], entry.sizes[first:sent], strict=False)
            frames = [{"at": at, "left": left, "size": size} for at, left, size in rows]
            yield "frames", {**where, "from": first, "frames": frames}
        if self._stream is not None:
            state, before = self._stream.state, self._state
            self._state = state
            if before is not None and not state.held:
                before = msgspec.structs.replace(before, sent=state.sent, left=state.left)  # its frames show that
            if state != before:
                yield "stream", {"session": session, **msgspec.structs.asdict(state)}
        if known != self.known or over != self.over:
            self.known, self.over = known, over
            yield "entry", entry
