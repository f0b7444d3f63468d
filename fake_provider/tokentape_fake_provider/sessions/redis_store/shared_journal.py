"""The journal of a session whose requests several processes answer."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Collection, Mapping
from itertools import takewhile
from typing import Any, Final

import msgspec

from tokentape_fake_provider.playback.journal import Entry, Journal, Outcome, TokenCounts
from tokentape_fake_provider.playback.near_miss import NearMiss

_OF_REQUEST: Final = frozenset(
    ("time", "arrived", "method", "path", "query", "headers", "body", "wire", "http_version")
)
_NOT_SET: Final = frozenset(("session", "number", "first_frame", "lateness", "frames_sent", "bytes_sent"))


class SharedJournal(Journal):
    """The entries of one session, those of this process and those that other processes have reported.

    The store numbers the entries. `report` receives each that this process answers: when its response is known, and
    when it has ended.
    """

    def __init__(self, report: Callable[[Entry], None]) -> None:
        super().__init__()
        self._report = report
        self.read_to = "0"
        """The id of the last record that was read."""
        self._news: deque[tuple[int, Entry]] = deque(maxlen=self.limit)
        self._marked = 0

    def add(self, entry: Entry) -> None:
        """Add a request that this process answers; it has its number already."""
        with self._lock:
            self._in_flight += 1
            self._insert(entry)
        self._report(entry)

    def finish(self, entry: Entry, outcome: Outcome, ended: float) -> None:
        """Record how the response ended."""
        super().finish(entry, outcome, ended)
        self._report(entry)

    def absorb(self, kind: str, record: bytes) -> None:
        """Add what a record of the store has, unless it is this process's own."""
        if kind == "request":
            number, _, rest = record.partition(b" ")
            if self.find(int(number)) is None:
                entry = entry_of(msgspec.json.decode(rest))
                entry.number = int(number)
                with self._lock:
                    self._insert(entry)
            return
        fields = msgspec.json.decode(record)
        found = self.find(fields["number"])
        if found is not None and found.worker:
            with self._lock:
                set_response(found, fields)
                self._notify()

    @property
    def awaited(self) -> set[str]:
        """The other processes that are to report that a response has ended."""
        return {entry.worker for entry in self.entries if entry.worker and entry.outcome == "pending"}

    def end_those_of(self, dead: Collection[str]) -> None:
        """End the pending entries of processes that are dead."""
        with self._lock:
            for entry in self._entries:
                if entry.outcome == "pending" and entry.worker in dead:
                    entry.outcome = "server_stopped"
            self._notify()

    def drop(self, first: int, forgotten: int) -> None:
        """Keep only the entries from this number on."""
        with self._lock:
            while self._entries and self._entries[0].number < first:
                self._bytes -= self._entries.popleft().counted_size
                self._stripped = max(0, self._stripped - 1)
            self.forgotten = forgotten
            self._notify()

    def clear(self) -> None:
        """Forget all entries."""
        self._news.clear()
        super().clear()

    def since(self, number: int) -> tuple[list[Entry], int]:
        """The entries that were added since a mark, in that order, and the mark of the next one."""
        with self._lock:
            new = list(takewhile(lambda news: news[0] >= number, reversed(self._news)))
            return [entry for _, entry in reversed(new)], self._marked

    def find(self, number: int) -> Entry | None:
        """The entry with this number; `None` if it is not kept."""
        with self._lock:
            return next((entry for entry in reversed(self._entries) if entry.number == number), None)

    def _insert(self, entry: Entry) -> None:
        self._added = max(self._added, entry.number + 1)
        self._news.append((self._marked, entry))
        self._marked += 1
        later = list[Entry]()
        while self._entries and self._entries[-1].number > entry.number:
            later.append(self._entries.pop())
        super()._insert(entry)
        self._entries.extend(reversed(later))


def request_record(entry: Entry, worker: str) -> bytes:
    """What a journal of another process is to have of a request; secrets are masked."""
    fields = {name: value for name, value in entry.to_builtins().items() if name in _OF_REQUEST}
    return _encoded({"session": entry.session, "worker": worker, **fields}, "body")


def response_record(entry: Entry) -> bytes:
    """What a journal of another process is to have of the response."""
    fields = entry.to_builtins()
    # In columns: all streams wait while the times of a long answer are encoded.
    sent = entry.frames_sent
    fields["frames"] = list(entry.due[:sent]), list(entry.left), list(entry.sizes[:sent])
    fields["instant"] = entry.instant
    return _encoded({name: value for name, value in fields.items() if name not in _OF_REQUEST}, "misses")


def _encoded(fields: dict[str, Any], risky: str) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except RecursionError:
        return msgspec.json.encode({**fields, risky: None})


def entry_of(fields: Mapping[str, Any]) -> Entry:
    """An entry with the request of these fields, which are those of `Entry.to_builtins` and its worker."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields["headers"]]
    names = ("session", "time", "method", "path", "query", "wire", "http_version", "arrived")
    body = fields["body"]
    entry = Entry(raw_headers=headers, raw_body=msgspec.json.encode(body), **{name: fields[name] for name in names})
    entry.body, entry.worker = body, fields.get("worker", "")
    return entry


def set_response(entry: Entry, fields: Mapping[str, Any]) -> None:
    """Set what the fields have of a response, with its frames."""
    due, left, sizes = fields["frames"]
    entry.due, entry.left, entry.sizes = array("d", due), array("d", left), array("L", sizes)
    entry.misses = msgspec.convert(fields["misses"] or [], list[NearMiss])
    entry.usage = msgspec.convert(fields["usage"], TokenCounts | None)
    for name in fields.keys() - _OF_REQUEST - _NOT_SET - {"frames", "misses", "usage"}:
        setattr(entry, name, fields[name])
