"""Any fault of any tape gives a tape, or says why not; and the places of a sweep."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import corpus
from tests.fake_provider.damaged_streams import SSE
from tokentape_fake_provider.errors import FaultError, FaultNotApplicableError
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.fault_injection.places import sweep_faults
from tokentape_fake_provider.faults import FAULTS, Fault, fault_name, format_fault
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES, Wire, wire_named

# Any tape.


@functools.cache
def recorded(wire_format: str) -> tuple[Tape, Wire | None]:
    """The shortest recorded stream of a wire format that has a few events."""
    found = sorted(corpus.items(wire_format), key=lambda item: item.body_path.stat().st_size)
    for item in found:
        tape = Tape((Frame(0, item.body),), headers=(("content-type", item.content_type),))
        if len(events_of(tape)) > 2:
            return tape, WIRES.get(item.wire)
    raise AssertionError(f"no stream of {wire_format} has three events")


FORMATS = sorted(corpus.WIRES)


@pytest.mark.parametrize("wire_format", FORMATS)
@given(st.data())
def test_any_fault_of_any_recorded_tape(wire_format: str, data: st.DataObject) -> None:
    """A fault at any place of any recorded tape, cut up in any way, gives a tape or says why not."""
    whole, wire = recorded(wire_format)
    places = data.draw(st.lists(st.integers(0, len(whole.body)), max_size=8))
    bounds = [0, *sorted(places), len(whole.body)]
    tape = Tape(
        tuple(Frame(float(at), whole.body[a:b]) for at, (a, b) in enumerate(pairwise(bounds))),
        headers=whole.headers,
    )
    fault = _any_fault(data, tape)
    try:
        damaged = apply_fault(fault, tape, wire)
    except FaultNotApplicableError as error:
        assert "\n" not in str(error)
        return
    times = [frame.at for frame in damaged.frames]
    assert times == sorted(times)
    if fault_name(fault) in ("fin", "rst", "stall", "clean_end", "half_event", "empty_stream"):
        assert tape.body.startswith(damaged.body)
    if fault_name(fault) in ("tiny_chunks", "content_type"):
        assert damaged.body == tape.body


def _any_fault(data: st.DataObject, tape: Tape) -> Fault:
    name = data.draw(st.sampled_from([name for name in FAULTS if name != "quota"]))
    fields = FAULTS[name].__struct_fields__
    places: dict[str, Any] = {}
    field = data.draw(st.sampled_from([field for field in ("frame", "event", "byte") if field in fields] or [""]))
    if field:
        most = {"frame": len(tape.frames), "event": 5, "byte": len(tape.body)}[field]
        places[field] = data.draw(st.one_of(st.integers(-most, most), st.just("random")))
    if name == "giant_event":
        places["size"] = 1000
    return msgspec.convert(places, FAULTS[name])


@pytest.mark.parametrize("wire_format", FORMATS)
def test_sweep_of_a_recorded_tape(wire_format: str) -> None:
    """Every fault at every event of a recorded tape gives a tape or says why not."""
    whole, wire = recorded(wire_format)
    bounds = [0, *(event.start for event in events_of(whole)[1:12]), len(whole.body)]
    tape = Tape(tuple(Frame(0, whole.body[a:b]) for a, b in pairwise(bounds)), headers=whole.headers)
    happened = set()
    for fault in sweep_faults(tape):
        if fault_name(fault) == "tiny_chunks":
            continue
        try:
            apply_fault(fault, tape, wire)
        except FaultNotApplicableError:
            continue
        happened.add(fault_name(fault))
    assert {"fin", "rst", "stall", "clean_end", "half_event", "lose", "duplicate", "wrong_order"} <= happened


@given(
    st.binary(max_size=200),
    st.sampled_from(
        [
            "text/event-stream",
            "application/x-ndjson",
            "application/json",
            "application/vnd.amazon.eventstream",
            "text/plain",
            "",
        ]
    ),
    st.sampled_from(sorted(WIRES)),
    st.data(),
)
def test_any_fault_of_any_bytes(body: bytes, kind: str, wire: str, data: st.DataObject) -> None:
    """Bytes that are no stream at all do no harm either."""
    tape = Tape((Frame(0, body),), headers=(("content-type", kind),))
    with suppress(FaultNotApplicableError):
        apply_fault(_any_fault(data, tape), tape, wire_named(wire))


def test_sweep_places() -> None:
    """A sweep has each fault at each boundary, frame or event, or once."""
    tape = Tape((Frame(0, b"data: {}\n\n"), Frame(0, b"data: {}\n\n")), headers=SSE)

    def specs(names: Sequence[str]) -> list[str]:
        return [format_fault(fault) for fault in sweep_faults(tape, names)]

    assert specs(["fin"]) == ["fin@frame=0", "fin@frame=1", "fin@frame=2", "fin@before_headers"]
    assert specs(["lose"]) == ["lose@frame=0", "lose@frame=1"]
    assert specs(["half_event"]) == ["half_event@event=0", "half_event@event=1"]
    assert specs(["overload"]) == ["overload@retry_after=0.001"]
    assert {fault_name(fault) for fault in sweep_faults(tape)} == set(FAULTS) - {"quota"}
    with pytest.raises(FaultError, match="'quota' can't be swept"):
        list(sweep_faults(tape, ["quota"]))
