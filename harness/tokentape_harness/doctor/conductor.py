"""Conductor: one run of a test: it changes the responses as they leave, and keeps what was sent."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_fake_provider.sessions.variation import Outgoing
from tokentape_fake_provider.tape import Tape
from tokentape_harness.doctor.apply import GAP_MS, apply_changes, in_reads
from tokentape_harness.doctor.change import Change, Variation
from tokentape_harness.doctor.stream import Stream, key_of


class Run(msgspec.Struct, frozen=True):
    """A run of a test: its outcome, why it failed, and its responses by the number of their request.

    `streams` are the responses without the changes, `sent` with them, a frame for each read. `ended` has the numbers of
    the requests in the order in which their responses ended.
    """

    outcome: str
    detail: str = ""
    streams: tuple[Stream, ...] = ()
    sent: tuple[Exchange, ...] = ()
    ended: tuple[int, ...] = ()
    seconds: float = 0.0

    @property
    def keys(self) -> tuple[str, ...]:
        """By which its requests are known in another run."""
        return tuple(key_of(stream.exchange) for stream in self.streams)


class Conductor:
    """Applies a variation to the responses of one run; call it from any thread.

    A request has the number of the same request in `keys`, those of another run; one that is not there has the next
    number that is free.
    """

    def __init__(self, changes: Variation = (), keys: Sequence[str] = ()) -> None:
        self._changes = changes
        self._keys = keys
        self._lock = threading.Lock()
        self._found: dict[int, tuple[Stream, Exchange, Entry | None]] = {}

    def __call__(self, outgoing: Outgoing) -> Tape:
        """The tape to send in place of a response's own."""
        stream = Stream(outgoing.exchange, outgoing.stepped)
        with self._lock:
            number = self._number(key_of(outgoing.exchange))
            self._found[number] = (stream, outgoing.exchange, outgoing.entry)
        changes = [change for change in self._changes if change.request == number]
        tape = apply_changes(stream, _possible(changes, outgoing), 0.0 if outgoing.stepped else GAP_MS)
        sent = msgspec.structs.replace(outgoing.exchange, tape=in_reads(tape))
        with self._lock:
            self._found[number] = (stream, sent, outgoing.entry)
        return tape

    def run(self, outcome: str, detail: str, seconds: float) -> Run:
        """The run, once it is over."""
        with self._lock:
            found = [self._found[number] for number in sorted(self._found)]
        ends = {n: entry.arrived + entry.ended for n, (_, _, entry) in enumerate(found) if entry and entry.ended}
        streams, sent = tuple(stream for stream, _, _ in found), tuple(exchange for _, exchange, _ in found)
        return Run(outcome, detail, streams, sent, tuple(sorted(ends, key=lambda n: ends[n])), seconds)

    def _number(self, key: str) -> int:
        free = [n for n, known in enumerate(self._keys) if n not in self._found]
        same = next((n for n in free if self._keys[n] == key), None)
        if same is not None:
            return same
        return next(n for n in range(len(self._found) + 1) if n not in self._found)


def _possible(changes: Sequence[Change], outgoing: Outgoing) -> Sequence[Change]:
    """None for a stream that the test itself times: it counts frames, and waits for its own steps."""
    return () if outgoing.stepped else changes
