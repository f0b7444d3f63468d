"""Apply: a stream as it arrives with some changes. Pure: the same stream and changes give the same tape."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from tokentape_fake_provider.fault_injection.splice import Edit, delay_all, splice
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.doctor.change import READS, Change
from tokentape_harness.doctor.fragments import events_with
from tokentape_harness.doctor.stream import Stream

GAP_MS: Final = 2.0
"""The time between two reads, so that a client on a socket receives them apart."""
_ALL_GAPS_MS: Final = 100.0


def apply_changes(stream: Stream, changes: Sequence[Change], gap_ms: float = GAP_MS) -> Tape:
    """The tape of the stream with these changes; those that have no place in it are ignored."""
    tape = stream.tape
    late = sum(change.ms for change in changes if change.kind == "late")
    if stream.is_stream:
        edited = _edited(stream, [change for change in changes if change.kind not in READS])
        reads = [change for change in changes if change.kind in READS]
        if edited is not tape:
            stream = Stream(msgspec.structs.replace(stream.exchange, tape=edited))
        tape = _in_reads(stream, reads, gap_ms) if reads or edited is not tape else tape
    return delay_all(tape, late) if late else tape


def in_reads(tape: Tape) -> Tape:
    """The tape with one frame for each read."""
    return _joined(tape, sorted(Stream.reads_of(tape)))


def _in_reads(stream: Stream, changes: Sequence[Change], gap_ms: float) -> Tape:
    """The tape split into reads, each in its own write."""
    places = set(stream.reads)
    pauses: dict[int, float] = {}
    for change in changes:
        offset = stream.offset(change.event, change.byte)
        if change.kind == "pause":
            pauses[offset] = pauses.get(offset, 0.0) + change.ms
        if change.kind == "join":
            places.discard(offset)
        elif 0 < offset < len(stream.tape.body):
            places.add(offset)
    tape = _joined(stream.tape, sorted(places))
    gap = min(gap_ms, _ALL_GAPS_MS / max(1, len(tape.frames)))
    frames, late, position = [], 0.0, 0
    for number, (at, data) in enumerate(tape.frames):
        late += pauses.pop(position, 0.0)
        frames.append(Frame(at + late + number * gap, data))
        position += len(data)
    last = frames[-1].at if frames else tape.start
    end_at = max(last, (tape.end_at or 0.0) + late) + sum(pauses.values())
    return msgspec.structs.replace(tape, frames=tuple(frames), apart=True, end_at=end_at)


def _joined(tape: Tape, places: Sequence[int]) -> Tape:
    """The tape with a frame from each place to the next; it leaves when its last byte was due."""
    body, ends = tape.body, tape.boundaries[1:]
    bounds = [0, *places, len(body)] if body else [0]
    frames = tuple(Frame(tape.frames[bisect_left(ends, stop)].at, body[start:stop]) for start, stop in pairwise(bounds))
    return msgspec.structs.replace(tape, frames=frames)


def _edited(stream: Stream, changes: Sequence[Change]) -> Tape:
    """The tape with other bytes that mean the same."""
    body, framing, wire = stream.tape.body, stream.framing, WIRES.get(stream.wire)
    new = events_with(stream, changes)
    before: dict[int, bytes] = {}
    for change in changes:
        match change.kind:
            case "comment" if framing.comment:
                before[change.event] = framing.comment % b"keep-alive"
            case "blank" if framing.comment or framing.name == "lines":
                before[change.event] = b"\n"
            case "ping" if wire is not None:
                before[change.event] = wire.ping
            case _:
                pass
    kinds = {change.kind for change in changes}
    edits = []
    for number, event in enumerate(stream.events):
        old = body[event.start : event.stop]
        data = before.get(number, b"") + new.get(number, old)
        if "crlf" in kinds and stream.is_text and b"\r" not in old:
            data = data.replace(b"\n", b"\r\n")
        if data != old:
            edits.append(Edit(event.start, event.stop, data))
    return splice(stream.tape, edits) if edits else stream.tape
