"""The metrics of a server: counts and histograms of its responses."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import add, sub
from typing import Final

from tokentape_fake_provider.playback.journal import Entry, Outcome
from tokentape_fake_provider.playback.metrics.histogram import Histogram
from tokentape_fake_provider.playback.metrics.numbers import Group, Name, Numbers, groups_in
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS

REQUESTS: Final = "requests"
FAULTS: Final = "faults"
FRAMES: Final = "frames"
OPEN: Final = "open"
"""The first part of the names of counts: requests by wire format, status, source and outcome; applied faults by name;
frames that were sent by wire format; responses that are being sent."""

TO_FIRST: Final = "to_first"
BETWEEN: Final = "between"
LATENESS: Final = "lateness"
BOUNDS: Final[Mapping[str, Sequence[float]]] = {
    TO_FIRST: (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000),
    BETWEEN: (1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560),
    LATENESS: (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000),
}
"""The bounds of each histogram by wire format, in ms."""


class Metrics:
    """Counts since the server started, over all its sessions. Safe from any thread.

    A token is a frame of a stream. Frames that are sent at once have no time between them, and are never late. With
    `regions`, the memory of each of several workers, the totals are those of all of them, also of those that were
    replaced. This is worker `own`, and `answering` returns a byte for each worker: 0 if it does not run.
    """

    def __init__(
        self, regions: Sequence[mmap.mmap] = (), own: int = 0, answering: Callable[[], bytes] = lambda: b""
    ) -> None:
        self._lock = threading.Lock()
        self._numbers = Numbers(regions[own] if regions else None)
        self._kinds: dict[tuple[str, int | None, str | None, str], tuple[Group, Group]] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}
        self._others = {worker: region for worker, region in enumerate(regions) if worker != own}
        self._answering = answering
        self._open = self._numbers.group((OPEN,))
        self._open[0] = 0.0  # those of the worker that this one replaces are no longer open

    def begin(self) -> None:
        """Count a request whose response has not ended."""
        with self._lock:
            self._open[0] += 1

    def end(self, entry: Entry, outcome: Outcome) -> None:
        """Count a request whose response has ended so. Its wire format or source is empty if it has none."""
        wire, sent, left = entry.wire or "", entry.frames_sent, entry.left
        with self._lock:
            self._open[0] -= 1
            requests, frames = self._counts(wire, entry.status, entry.answered_by, outcome)
            requests[0] += 1
            frames[0] += sent
            for fault in entry.faults:
                self._numbers.group((FAULTS, fault.partition("@")[0]))[0] += 1
            if entry.frames_planned < 2 or not left or entry.status == SWITCHING_PROTOCOLS:
                return  # not a stream; the frames of a WebSocket wait for the client
            self._histogram(TO_FIRST, wire).add_one(left[0])
            if not entry.instant:
                self._histogram(BETWEEN, wire).add(map(sub, islice(left, 1, None), left))
                self._histogram(LATENESS, wire).add(map(sub, left, entry.due))

    def _counts(self, wire: str, status: int | None, by: str | None, outcome: Outcome) -> tuple[Group, Group]:
        """The counts of such requests, and of the frames of their wire format."""
        kind = (wire, status, by, outcome)
        found = self._kinds.get(kind)
        if found is None:
            requests = self._numbers.group((REQUESTS, wire, str(status or ""), by or "", outcome))
            found = self._kinds[kind] = requests, self._numbers.group((FRAMES, wire))
        return found

    def _histogram(self, name: str, wire: str) -> Histogram:
        found = self._histograms.get((name, wire))
        if found is None:
            bounds = BOUNDS[name]
            found = Histogram(bounds, self._numbers.group((name, wire), len(bounds) + 2))
            self._histograms[name, wire] = found
        return found

    def totals(self) -> Mapping[Name, Sequence[float]]:
        """The counts by their names, and the numbers of the histograms, of all workers together."""
        with self._lock:
            totals = {name: list(numbers) for name, numbers in self._numbers.groups().items()}
        answering = self._answering()
        for worker, region in self._others.items():
            for name, numbers in groups_in(region).items():
                if name != (OPEN,) or answering[worker]:
                    totals[name] = list(map(add, totals.get(name, [0.0] * len(numbers)), numbers))
        return totals
