"""The report of serve: what the recordings answered, by wire format, and why they did not answer the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_harness.recording.proxy.totals import Totals
from tokentape_harness.redaction import redact_text

# A model, or the refusal of one, where a recording would have answered.
_UNMATCHED: Final = ("synthetic", "error")
_RECORD: Final = "tokentape record --mode new_episodes records it"


class ServeReport:
    """Called with each request that has ended; those that rules, queues and lists of models answered don't count.

    With `explain`, each request that no recording answered is explained by `report`, one line for each field.
    """

    def __init__(self, report: Callable[[str], None], *, explain: bool = False) -> None:
        self.sessions: SessionRegistry | None = None
        self._report = report
        self._totals: dict[str, Totals] = {}
        self._recordings: dict[str, Recording] = {}
        # What differs in long requests takes a while to find.
        self._thread = ThreadPoolExecutor(1) if explain else None

    def __call__(self, entry: Entry) -> None:
        """Count a request; in the thread of the server's event loop."""
        if entry.wire is None or entry.method not in ("POST", "GET"):
            return
        if entry.answered_by == "recording":
            totals = self._totals.setdefault(entry.wire, Totals())
            totals.replayed += 1
            recording = self._recording(entry.session, entry.source)
            if recording is not None and recording.tape.end_at is not None and entry.ended is not None:
                totals.saved_ms += max(0.0, recording.tape.end_at - entry.ended)
        elif entry.answered_by in _UNMATCHED and entry.method == "POST":
            self._totals.setdefault(entry.wire, Totals()).unmatched += 1
            if self._thread is not None:
                self._thread.submit(self._explain, entry)

    def close(self) -> Iterator[str]:
        """The closing lines, after the last explanation."""
        if self._thread is not None:
            self._thread.shutdown()
        for wire, totals in self._totals.items():
            yield f"{wire}: {totals}"

    def _explain(self, entry: Entry) -> None:
        from tokentape_harness.recording.explanation import explained

        near = next((miss for miss in entry.misses if miss.kind == "recording"), None)
        nearest = None if near is None else self._recording(entry.session, near.name)
        if near is None or nearest is None or self.sessions is None:
            self._report(f"{entry.method} {entry.path}: no recording is near")
            return
        normaliser = self.sessions.get(entry.session).normaliser
        lines = [near.note] if near.note else explained(nearest.body, entry.body, normaliser, _RECORD)
        for line in lines:
            self._report(redact_text(f"{near.name}: {line}"))

    def _recording(self, session_id: str, label: str) -> Recording | None:
        if label not in self._recordings and self.sessions is not None:
            session = self.sessions.find(session_id) or self.sessions.default
            self._recordings = {recording.label: recording for recording in session.recordings}
        return self._recordings.get(label)
