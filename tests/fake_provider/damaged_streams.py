"""Streams before and after a fault."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from tests.fake_provider.asks import ask_of
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import FaultNotApplicableError
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import WIRES, ProviderRequest, Wire, wire_named

TEXT = "Grüße an 世界, all of you"
INSTANT = Instant()
SSE = (("content-type", "text/event-stream"),)


def encoded(wire: str, timing: Any = INSTANT, **fields: Any) -> tuple[Tape, Wire, ProviderRequest]:
    """A stream in a wire format, which says `TEXT` and its usage."""
    if wire in ("openai_chat", "openai_completions"):
        fields.setdefault("stream_options", {"include_usage": True})
    ask = ask_of(wire, **fields)
    return encode(Script.of(TEXT), ask, timing), wire_named(wire), ask


def damaged(spec: str, wire: str, timing: Any = INSTANT, **fields: Any) -> tuple[Tape, Tape]:
    """The stream before and after a fault."""
    tape, known, ask = encoded(wire, timing, **fields)
    return tape, apply_fault(parse_fault(spec), tape, known, ask)


def documents(tape: Tape, wire: str = "") -> list[Any]:
    """The documents of a tape's events; those that are no JSON as bytes."""
    found = []
    for event in events_of(tape):
        value = wire_named(wire).document_paths.read(event.document) if wire else None
        found.append(event.document if value is None else value)
    return found


def why(spec: str, tape: Tape, wire: str | None = None) -> str:
    """Why a fault changes nothing about a tape."""
    with pytest.raises(FaultNotApplicableError) as raised:
        apply_fault(parse_fault(spec), tape, wire_named(wire) if wire else None)
    return str(raised.value)


every_wire = pytest.mark.parametrize("wire", WIRES)
# Bytes, frames and times.

frames = st.lists(st.binary(max_size=4), max_size=6).map(
    lambda parts: tuple(Frame(float(at), part) for at, part in enumerate(parts))
)
