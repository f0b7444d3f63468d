"""Sweep: every fault at every place of a tape where it makes a difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.faults.fault import FAULTS, Fault
from tokentape_fake_provider.faults.specification import parse_fault
from tokentape_fake_provider.tape import Tape

AT_FRAMES: Sequence[str] = ("fin", "rst", "stall", "clean_end", "in_band_error")
"""Faults between two frames."""
OF_FRAMES: Sequence[str] = ("duplicate", "lose")
"""Faults of one frame."""
OF_EVENTS: Sequence[str] = ("half_event", "malformed_json", "wrong_order")
"""Faults of one event."""
ONCE: Sequence[str] = (
    "http_error@retry_after=0.001",
    "http_error@status=429,retry_after=0.001",
    "overload@retry_after=0.001",
    "slow_headers@for=ever",
    "fin@before_headers",
    "rst@before_headers",
    "no_usage",
    "empty_stream",
    "tiny_chunks",
    "split@inside=utf8",
    "split@inside=crlf",
    "split@inside=event",
    "comments",
    "pings",
    "giant_event",
    "content_type",
    "gzip",
    "gzip@flush=false",
    "bit_flip",
)
"""Faults of the whole response, as specifications."""


def sweep_faults(tape: Tape, names: Sequence[str] | None = None) -> Iterator[Fault]:
    """Each fault of these names (all but `quota` without them) at each place of the tape.

    Those between frames come at every boundary of its frames, from before the first to after the last; those of a
    frame or event at each of them. Some may not be applicable to the tape. Raises `FaultError` for unknown names.
    """
    for name in names or ():
        if name not in FAULTS or name == "quota":
            raise FaultError(f"fault {name!r} can't be swept: take {', '.join(n for n in FAULTS if n != 'quota')}")
    for name in AT_FRAMES:
        if names is None or name in names:
            yield from (parse_fault(f"{name}@frame={frame}") for frame in range(len(tape.frames) + 1))
    for name in OF_FRAMES:
        if names is None or name in names:
            yield from (parse_fault(f"{name}@frame={frame}") for frame in range(len(tape.frames)))
    for name in OF_EVENTS:
        if names is None or name in names:
            yield from (parse_fault(f"{name}@event={event}") for event in range(len(events_of(tape))))
    for spec in ONCE:
        if names is None or spec.partition("@")[0] in names:
            yield parse_fault(spec)
