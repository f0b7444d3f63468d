"""Plan: the faults of a sweep, and their places."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from tokentape_fake_provider.errors import FaultNotApplicableError
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.fault_injection.fault_context import reports_end
from tokentape_fake_provider.fault_injection.places import sweep_faults, swept_names
from tokentape_fake_provider.faults.fault import (
    CleanEnd,
    ContentType,
    Fault,
    InBandError,
    Rst,
    SlowHeaders,
    Stall,
)
from tokentape_fake_provider.faults.specification import as_fault, format_fault
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires import Wire
from tokentape_harness.errors import UsageError

PLACES: Final = 50
"""The default maximum of places per fault."""

# Clients differ most at the beginning and the end: these places are always included.
_FIRST, _LAST = 2, 4
FEWEST: Final = _FIRST + _LAST


class Cell(msgspec.Struct, frozen=True):
    """A fault at a place. `place` is the number of a frame or event, `None` for a fault of the whole response.

    `truncated` means that the stream as sent lacks its terminal event; a cell without a fault is the unchanged
    recording.
    """

    row: str
    place: int | None = None
    fault: Fault | None = None
    truncated: bool = False

    @property
    def id(self) -> str:
        """The name: the fault as a specification."""
        return "none" if self.fault is None else format_fault(self.fault)

    @property
    def endless(self) -> bool:
        """Whether the stream stalls for as long as the client waits."""
        return isinstance(self.fault, Stall | SlowHeaders) and self.fault.for_ms is None

    def faults(self, patience_ms: float, times: int | None = 1, after: int = 0) -> list[Fault]:
        """The faults to inject; an endless stall ends after `patience_ms`, so that no client hangs for ever."""
        match self.fault:
            case None:
                return []
            case Stall(for_ms=None) as stall:
                broken_off = Rst(frame=stall.frame, event=stall.event, byte=stall.byte)
                faults: list[Fault] = [broken_off, Stall(frame="end", for_ms=patience_ms)]
            case SlowHeaders(for_ms=None):
                faults = [SlowHeaders(for_ms=patience_ms), Rst(before_headers=True)]
            case fault:
                faults = [fault]
        return [msgspec.structs.replace(fault, times=times, after=after) for fault in faults]


class Plan(NamedTuple):
    """The cells of a sweep, and their number without sampling (`possible`). The first has no fault."""

    cells: Sequence[Cell]
    possible: int
    seed: int
    frames: int


def plan_sweep(
    tape: Tape, wire: Wire, faults: Sequence[str | Fault] | None = None, places: int = PLACES, seed: int = 0
) -> Plan:
    """Plan each fault (a name or a specification) at each place, or at `places` of them, sampled with the seed.

    Faults that don't apply to this tape are left out. Raises `FaultError`, `UsageError`.
    """
    if places < FEWEST:
        raise UsageError(f"places is {places}: it must be at least {FEWEST}, for the beginning and the end")
    cells = [Cell("none")]
    possible = 1
    for row, found, placed in _rows(tape, faults):
        chosen = [_drawn(found[index], tape, seed) for index in sampled(len(found), places, seed)]
        row_cells = [cell for fault in chosen if (cell := _cell(row, fault, placed, tape, wire)) is not None]
        cells += row_cells
        possible += len(found) - (len(chosen) - len(row_cells))
    if len(cells) == 1:
        raise UsageError("no fault applies to this recording")
    return Plan(cells, possible, seed, len(tape.frames))


def sampled(count: int, most: int, seed: int) -> list[int]:
    """At most `most` numbers below `count`: the first, the last, and some between, the same for the same seed."""
    if count <= most:
        return list(range(count))
    between = range(_FIRST, count - _LAST)
    drawn = random.Random(f"{seed}:{count}").sample(between, most - FEWEST)  # noqa: S311 - not for secrets
    return sorted([*range(_FIRST), *drawn, *range(count - _LAST, count)])


def _rows(tape: Tape, faults: Sequence[str | Fault] | None) -> Iterator[tuple[str, list[Fault], bool]]:
    """The faults of each row of the matrix, and whether the row is one fault at many places."""
    if faults is None:
        faults = swept_names()
    for given in faults:
        if not isinstance(given, str) or "@" in given:
            fault = as_fault(given)
            yield format_fault(fault), [fault], False
            continue
        found = list(sweep_faults(tape, [given]))
        placed = [fault for fault in found if fault.swept_places and _place(fault) is not None]
        if placed:
            yield given, placed, True
        for fault in found:
            if fault not in placed:
                yield format_fault(fault), [fault], False


def _drawn(fault: Fault, tape: Tape, seed: int) -> Fault:
    """The fault with its random places drawn, so that the response is known."""
    counts = {"frame": len(tape.frames), "event": len(events_of(tape)), "byte": len(tape.body)}
    draw = random.Random(f"{seed}:{fault.seed}")  # noqa: S311 - not for secrets
    places = {name: draw.randrange(count) for name, count in counts.items() if getattr(fault, name, None) == "random"}
    return msgspec.structs.replace(fault, **places) if places else fault


def _cell(row: str, fault: Fault, placed: bool, tape: Tape, wire: Wire) -> Cell | None:
    """The cell, unless the fault changes nothing."""
    cell = Cell(row, _place(fault) if placed else None, fault)
    try:
        damaged = tape
        for part in cell.faults(1.0):
            damaged = apply_fault(part, damaged, wire)
    except FaultNotApplicableError:
        return None
    if not fault.breaks:
        return cell
    match fault:
        case ContentType():
            damaged = tape
        case InBandError(frame=frame, event=event, byte=byte):
            # A provider may send `[DONE]` after its error.
            damaged = apply_fault(CleanEnd(frame=frame, event=event, byte=byte), tape, wire)
        case _:
            pass
    return msgspec.structs.replace(cell, truncated=not reports_end(damaged, wire))


def _place(fault: Fault) -> int | None:
    place = getattr(fault, "frame", None)
    if place is None:
        place = getattr(fault, "event", None)
    return place if isinstance(place, int) else None
