"""The faults of a sweep: every fault at every place of a tape where it makes a difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.faults.fault import Fault
from tokentape_fake_provider.faults.registry import fault_kind, fault_kinds
from tokentape_fake_provider.faults.specification import parse_fault
from tokentape_fake_provider.tape import Tape


def swept_names() -> list[str]:
    """Return the names of the faults that can be swept: all but `quota`, which counts over a session."""
    return [name for name, kind in fault_kinds().items() if kind.swept_places or kind.swept_variants]


def sweep_faults(tape: Tape, names: Sequence[str] | None = None) -> Iterator[Fault]:
    """Yield each fault of these names (without names: all that can be swept) at each place of the tape.

    Faults between frames are tried at every frame boundary, from before the first to after the last; faults of a
    frame or event at each of them. Some may not be applicable to the tape. Raises `FaultError` for unknown names.
    """
    known = swept_names()
    for name in names or ():
        if name not in known:
            raise FaultError(f"fault {name!r} can't be swept: use one of {', '.join(known)}")
    for name in known if names is None else names:
        kind = fault_kind(name)
        for place in _places(kind, tape):
            yield parse_fault(f"{name}@{place}")
        for variant in kind.swept_variants:
            yield parse_fault(f"{name}@{variant}" if variant else name)


def _places(kind: type[Fault], tape: Tape) -> Iterator[str]:
    match kind.swept_places:
        case None:
            return
        case "between_frames":
            yield from (f"frame={frame}" for frame in range(len(tape.frames) + 1))
        case "each_frame":
            yield from (f"frame={frame}" for frame in range(len(tape.frames)))
        case "each_event":
            yield from (f"event={event}" for event in range(len(events_of(tape))))
        case _:
            assert_never(kind.swept_places)
