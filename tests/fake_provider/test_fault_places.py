"""Where and when a fault happens: edits, cuts, stalls, and the place that it has by default."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.damaged_streams import SSE, damaged, documents, encoded, every_wire, frames, why
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.fault_injection.fault_context import output_tokens
from tokentape_fake_provider.fault_injection.splice import Edit, cut, delay, splice, split
from tokentape_fake_provider.faults import FAULTS, parse_fault
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES, wire_named


@given(frames, st.data())
def test_splice(parts: tuple[Frame, ...], data: st.DataObject) -> None:
    """Edits change the bytes that they name, wherever the frames are cut, and no frame leaves before another."""
    tape = Tape(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(tape.body)), max_size=6)))
    edits, expected, position = [], b"", 0
    for start, stop in zip(places[::2], places[1::2], strict=False):
        new = data.draw(st.binary(max_size=3))
        edits.append(Edit(start, stop, new))
        expected += tape.body[position:start] + new
        position = stop
    damaged = splice(tape, edits)
    assert damaged.body == expected + tape.body[position:]
    times = [frame.at for frame in damaged.frames]
    assert times == sorted(times)


@given(frames, st.data())
def test_cut_delay_and_split(parts: tuple[Frame, ...], data: st.DataObject) -> None:
    """A cut keeps what is before it; a delay and a split keep every byte."""
    tape = Tape(parts, end_at=10.0)
    byte = data.draw(st.integers(0, len(tape.body)))
    assert cut(tape, byte, "dropped").body == tape.body[:byte]
    late = delay(tape, byte, 100)
    assert late.body == tape.body
    assert b"".join(frame.data for frame in late.frames if frame.at < 100) == tape.body[:byte]
    assert late.end_at == 110
    places = sorted(data.draw(st.sets(st.integers(0, len(tape.body) + 2))))
    apart = split(tape, places)
    assert apart.body == tape.body
    assert set(apart.boundaries) >= {place for place in places if place <= len(tape.body)}


def test_times_of_a_cut() -> None:
    """A connection breaks when what is missing would have begun to leave."""
    tape = Tape((Frame(100, b"abc"), Frame(200, b"def")), headers=SSE, start=50, end_at=300)
    assert cut(tape, 3, "dropped") == Tape((Frame(100, b"abc"),), headers=SSE, start=50, end="dropped", end_at=200)
    assert cut(tape, 4, "dropped").frames == (Frame(100, b"abc"), Frame(200, b"d"))
    assert cut(tape, 6, "dropped").end_at == 300


def test_times_of_stalls() -> None:
    """A stall delays what comes after it, slow headers delay everything, and for ever means that no more comes."""
    tape = Tape((Frame(100, b"abc"), Frame(200, b"def")), headers=SSE, start=50, end_at=300)
    stalled = apply_fault(parse_fault("stall@byte=4,for=1s"), tape)
    assert stalled.frames == (Frame(100, b"abc"), Frame(200, b"d"), Frame(1200, b"ef"))
    assert (stalled.start, stalled.end_at, stalled.apart) == (50, 1300, False)
    slow = apply_fault(parse_fault("slow_headers@for=1s"), tape)
    assert (slow.start, [frame.at for frame in slow.frames], slow.end_at) == (1050, [1100, 1200], 1300)
    ever = apply_fault(parse_fault("stall@frame=1"), tape)
    assert (ever.body, ever.end) == (b"abc", "stall")
    assert apply_fault(parse_fault("slow_headers@for=ever"), tape) == Tape(end="stall", head=False)


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("frame=0", 0),
        ("frame=1", 3),
        ("frame=-1", 3),
        ("frame=2", 6),
        ("frame=end", 6),
        ("byte=0", 0),
        ("byte=4", 4),
        ("byte=-1", 5),
        ("byte=6", 6),
    ],
)
def test_places(place: str, kept: int) -> None:
    """A place is a number of frames or bytes from the beginning, or from the end."""
    tape = Tape((Frame(0, b"abc"), Frame(0, b"def")), headers=SSE)
    assert apply_fault(parse_fault(f"fin@{place}"), tape).body == tape.body[:kept]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("fin@frame=3", "there is no frame 3: the response has 2"),
        ("fin@frame=-3", "there is no frame -3: the response has 2"),
        ("fin@byte=7", "there is no byte 7: the response has 6"),
        ("fin@event=2", "there is no event 2: the response has 1"),
        ("lose@frame=2", "there is no frame 2: the response has 2"),
        ("bit_flip@byte=6", "there is no byte 6: the response has 6"),
        ("wrong_order", "no event follows event 0"),
        ("malformed_json", "event 0 is not a JSON object"),
        ("no_usage", "no event reports usage"),
        ("in_band_error", "the wire format is unknown"),
        ("http_error", "the wire format is unknown"),
        ("pings", "the wire format is unknown"),
        ("split@inside=utf8", "there is no place inside utf8"),
        ("quota@requests=1", "a quota counts in a session"),
    ],
)
def test_what_can_not_happen(spec: str, reason: str) -> None:
    """A fault that changes nothing says why."""
    tape = Tape((Frame(0, b"dat"), Frame(0, b"a:x")), headers=SSE)
    assert why(spec, tape) == reason


def test_random_places_come_from_the_chance_that_is_given() -> None:
    """The same chance gives the same place, and another one another."""
    tape = Tape((Frame(0, bytes(1000)),), headers=SSE)
    fault = parse_fault("fin@byte=random")
    sizes = [len(apply_fault(fault, tape, draw=random.Random(seed)).body) for seed in (1, 1, 2, 3)]
    assert sizes[0] == sizes[1]
    assert len(set(sizes)) == 3


def test_connection_faults() -> None:
    """FIN and RST end a tape so, even before its headers."""
    tape = Tape((Frame(0, b"abc"),), headers=SSE, start=7)
    assert apply_fault(parse_fault("fin@byte=1"), tape).end == "dropped"
    assert apply_fault(parse_fault("rst@byte=1"), tape).end == "reset"
    assert apply_fault(parse_fault("clean_end@byte=1"), tape).end == "complete"
    for spec, end in (("fin@before_headers", "dropped"), ("rst@before_headers", "reset")):
        damaged = apply_fault(parse_fault(spec), tape)
        assert (damaged.head, damaged.frames, damaged.end, damaged.start) == (False, (), end, 7)


# The text.


@every_wire
def test_default_place_is_before_the_ending(wire: str) -> None:
    """Without a place the whole text has come, and nothing that says that it is complete."""
    before, after = damaged("clean_end", wire)
    document_paths = wire_named(wire).document_paths
    assert before.body.startswith(after.body)
    kept, all_of_them = documents(after, wire), documents(before, wire)
    assert kept == all_of_them[: len(kept)]
    assert not any(document_paths.ends(value, path) for value in kept for path in document_paths.endings)
    assert any(document_paths.ends(all_of_them[len(kept)], path) for path in document_paths.endings)


def test_ending_of_providers_that_name_a_finish_reason_everywhere() -> None:
    """The last event with a finish reason is the ending, where many have one."""
    chunk = 'data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}\r\n\r\n'
    tape = Tape((Frame(0, chunk.encode() * 3),), headers=SSE)
    assert apply_fault(parse_fault("clean_end"), tape, wire_named("gemini")).body == chunk.encode() * 2


def test_ending_without_any() -> None:
    """A stream that was cut off already has no ending: the default place is its end."""
    tape = Tape((Frame(0, b'data: {"choices":[]}\n\n'),), headers=SSE)
    assert apply_fault(parse_fault("fin"), tape, wire_named("openai_chat")).body == tape.body


def test_output_tokens() -> None:
    """A quota is charged what a response counts, and else one token for each event."""
    for wire in WIRES:
        tape, known, _ = encoded(wire)
        assert output_tokens(tape, known) == 8, wire
    silent, known, _ = encoded("openai_chat", stream_options=...)
    assert output_tokens(silent, known) == len(events_of(silent))


def test_nothing_happens_to_what_is_not_sent() -> None:
    """What breaks before its headers has nothing left to damage; an error can still answer instead."""
    tape, known, ask = encoded("openai_chat")
    silent = apply_fault(parse_fault("fin@before_headers"), tape, known, ask)
    for name in FAULTS:
        if name in ("http_error", "overload"):
            assert apply_fault(parse_fault(name), silent, known, ask).head
        elif name != "quota":
            assert why(name, silent, "openai_chat") == "nothing is sent"


@pytest.mark.parametrize("fields", [{}, {"end": "dropped", "frames": (Frame(0, b"x"),)}])
def test_tapes_that_contradict_themselves(fields: dict[str, Any]) -> None:
    """A tape that sends nothing has no frames and does not end well."""
    with pytest.raises(ValueError, match="without `head`"):
        Tape(head=False, **fields)
