"""Our own decoder takes no recorded stream for a whole one that was cut, cleanly, before its terminal event."""

from __future__ import annotations

import random

import pytest

from tests import corpus
from tokentape import ChatMessage, ProviderError, TruncatedStreamError, stream_bytes
from tokentape_fake_provider import Frame, Tape, parse_fault
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import BodyEvent, events_of
from tokentape_fake_provider.wires import WIRES, Wire

FORMATS = sorted(name for name, wire in corpus.WIRES.items() if wire in WIRES)
PLACES = 6


def ended_by(tape: Tape, events: list[BodyEvent], wire: Wire) -> int:
    """The number of the first event that says that the answer has ended; some providers say so more than once."""
    paths = wire.document_paths
    values = [paths.read(event.document) for event in events]
    for index, (event, value) in enumerate(zip(events, values, strict=True)):
        if event.document == b"[DONE]" or any(paths.ends(value, path) for path in paths.endings):
            return index
    return 0


@pytest.mark.parametrize("streams", [4, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("wire_format", FORMATS)
def test_no_truncated_recording_is_silent(wire_format: str, streams: int) -> None:
    """Cut after any event before its ending, or inside one, a recorded stream raises, and what had come is kept."""
    cuts = 0
    for item in corpus.items(wire_format):
        tape = Tape((Frame(0, item.body),), headers=(("content-type", item.content_type),))
        wire = WIRES[item.wire]
        if item.status != 200 or len(tape.body) > 60_000 or not (last := ended_by(tape, events_of(tape), wire)):
            continue
        draw = random.Random(item.id)
        for place in {0, 1, last, *(draw.randint(0, last) for _ in range(PLACES))}:
            for spec in (f"clean_end@event={place}", f"half_event@event={place}"):
                cut = apply_fault(parse_fault(spec), tape, wire)
                stream = stream_bytes(cut.body, wire=item.wire)
                came: list[ChatMessage] = []
                with pytest.raises((TruncatedStreamError, ProviderError)):
                    came.extend(stream)
                first = next((message.text for message in came if message.text), "")
                assert stream.get_chat_output().message.text.startswith(first), (item.id, spec)
        cuts += 1
        if cuts == streams:
            break
    assert cuts, f"no recorded stream of {wire_format} says that it has ended"
