"""The metrics of a server: counts and histograms of its responses."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import islice
from operator import sub
from typing import Final, NamedTuple

from tokentape_fake_provider.metrics.histogram import Histogram
from tokentape_fake_provider.playback.journal import Entry, Outcome
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS

_FIRST: Final = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
_BETWEEN: Final = (1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560)
_LATE: Final = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


class Kind(NamedTuple):
    """What requests are counted by. `source` is what answered; `wire` and `source` are empty for none."""

    wire: str
    status: str
    source: str
    outcome: str


class Times:
    """The times of the streams of one wire format, in ms."""

    def __init__(self) -> None:
        self.to_first_token = Histogram(_FIRST)
        self.between_tokens = Histogram(_BETWEEN)
        self.lateness = Histogram(_LATE)


class Metrics:
    """Counts since the server started, over all its sessions. Safe from any thread.

    A token is a frame of a stream. Frames that are sent at once have no time between them, and are never late.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: Counter[Kind] = Counter()
        self.faults: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.times: dict[str, Times] = {}

    def observe(self, entry: Entry, outcome: Outcome) -> None:
        """Count a request whose response has ended so."""
        wire, sent = entry.wire or "", entry.frames_sent
        kind = Kind(wire, str(entry.status or ""), entry.answered_by or "", outcome)
        left = entry.left
        with self.lock:
            self.requests[kind] += 1
            if entry.faults:
                self.faults.update(fault.partition("@")[0] for fault in entry.faults)
            self.frames[wire] += sent
            if entry.frames_planned < 2 or not left or entry.status == SWITCHING_PROTOCOLS:
                return  # not a stream; the frames of a WebSocket wait for the client
            times = self.times.get(wire)
            if times is None:
                times = self.times[wire] = Times()
            times.to_first_token.add(left[:1])
            if not entry.instant:
                times.between_tokens.add(map(sub, islice(left, 1, None), left))
                times.lateness.add(map(sub, left, entry.due))
