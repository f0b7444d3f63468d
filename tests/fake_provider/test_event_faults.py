"""Faults of events: half ones, errors in the stream, order, losses, usage."""

from __future__ import annotations

import json
import struct
import zlib

import msgspec
import pytest

from tests.fake_provider.asks import ask_of
from tests.fake_provider.damaged_streams import SSE, TEXT, damaged, documents, encoded, every_wire
from tokentape_fake_provider.encoding.encode import encode, tape_of_reply
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import wire_named


@every_wire
def test_half_event(wire: str) -> None:
    """Half of the last event before the ending is what is left of it."""
    after = damaged("half_event", wire)[1]
    whole = damaged("clean_end", wire)[1]
    assert whole.body.startswith(after.body)
    *_, last = events_of(whole)
    assert last.start < len(after.body) < last.stop
    assert after.end == "complete"
    assert [damaged(f"half_event@then={end}", wire)[1].end for end in ("fin", "rst", "stall")] == [
        "dropped",
        "reset",
        "stall",
    ]


@every_wire
def test_in_band_error(wire: str) -> None:
    """The error event is the one that the encoder sends for a script's own, and nothing follows it."""
    tape, known, ask = encoded(wire)
    fault = parse_fault("in_band_error@status=429,message=slow down")
    after = apply_fault(fault, tape, known, ask)
    scripted = encode(Script.of(TEXT, error=Error(429, "slow down", in_stream=True)), ask, Instant())
    whole = apply_fault(parse_fault("clean_end"), tape, known, ask)
    assert after.body.startswith(whole.body)
    added = documents(after, wire)[len(events_of(whole)) :]
    expected = documents(scripted, wire)[-len(added) :]
    if wire == "openai_responses":  # the response object knows what had been sent; the fault does not
        assert (
            [value["type"] for value in added] == [value["type"] for value in expected] == ["error", "response.failed"]
        )
        added, expected = [added[0] | {"sequence_number": 0}], [expected[0] | {"sequence_number": 0}]
    assert added == expected


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_in_band_error_in_an_array(frame: int) -> None:
    """Gemini's JSON array stays one: the error is its last element."""
    ask = msgspec.structs.replace(ask_of("gemini"), query="")
    tape = encode(Script.of(TEXT), ask, Instant())
    after = apply_fault(parse_fault(f"in_band_error@frame={frame}"), tape, wire_named("gemini"), ask)
    *_, last = json.loads(after.body)
    assert last["error"]["code"] == 500
    assert len(json.loads(after.body)) == frame + 1


def test_in_band_error_inside_an_event() -> None:
    """An error event is never put into another event: that one is left out."""
    tape, known, ask = encoded("openai_chat")
    place = events_of(tape)[2].start + 20
    after = apply_fault(parse_fault(f"in_band_error@byte={place}"), tape, known, ask)
    assert len(documents(after)) == 4
    assert "error" in json.loads(documents(after)[2])


@every_wire
def test_malformed_json(wire: str) -> None:
    """One document is cut short; its frame, and all other events, are as they were."""
    before, after = damaged("malformed_json@event=1", wire)
    was, now = documents(before, wire), documents(after, wire)
    assert isinstance(was[1], dict)
    assert isinstance(now[1], bytes)
    assert (now[0], now[2:]) == (was[0], was[2:])


def test_malformed_frames_of_aws_are_whole() -> None:
    """The checksums of a frame whose JSON is broken are right, so that only the JSON is at fault."""
    for wire in ("bedrock_converse", "bedrock_invoke"):
        body, position = damaged("malformed_json@event=1", wire)[1].body, 0
        while position < len(body):
            total, _, prelude = struct.unpack_from("!III", body, position)
            assert zlib.crc32(body[position : position + 8]) == prelude
            assert (
                zlib.crc32(body[position : position + total - 4])
                == struct.unpack_from("!I", body, position + total - 4)[0]
            )
            position += total


@every_wire
def test_order_duplicates_and_losses(wire: str) -> None:
    """Events change places, come twice or go missing, and the stream stays well formed."""
    was = documents(encoded(wire)[0], wire)
    swapped = documents(damaged("wrong_order@event=1", wire)[1], wire)
    assert swapped == [was[0], was[2], was[1], *was[3:]]
    assert documents(damaged("duplicate@event=1", wire)[1], wire) == [was[0], was[1], *was[1:]]
    assert documents(damaged("lose@event=0", wire)[1], wire) == was[1:]
    assert documents(damaged("lose@event=1", wire)[1], wire) == [was[0], *was[2:]]
    assert documents(damaged("lose@event=-1", wire)[1], wire) == was[:-1]


def test_an_event_that_is_cut_off_changes_places() -> None:
    """It gets the blank line that an event ends with, so that the one it goes before stays an event of its own."""
    tape = Tape((Frame(0, b'data: {"a":1}\n\ndata: {"b":2}'),), headers=SSE)
    swapped = apply_fault(parse_fault("wrong_order"), tape).body
    assert swapped == b'data: {"b":2}\n\ndata: {"a":1}\n\n'


@pytest.mark.parametrize(
    "spec",
    ["wrong_order@event=1", "duplicate@event=1", "duplicate@event=-1", "lose@event=0", "lose@event=1", "lose@event=-1"],
)
def test_events_of_an_array(spec: str) -> None:
    """Gemini's array stays an array, whatever happens to its elements."""
    ask = msgspec.structs.replace(ask_of("gemini"), query="")
    tape = encode(Script.of(TEXT), ask, Instant())
    after = json.loads(apply_fault(parse_fault(spec), tape, wire_named("gemini"), ask).body)
    count = len(json.loads(tape.body))
    assert len(after) == count + {"wrong_order": 0, "duplicate": 1, "lose": -1}[spec.partition("@")[0]]


def test_frames_twice_and_lost() -> None:
    """A frame is sent twice or not at all, whatever is in it."""
    tape = Tape((Frame(1, b"abc"), Frame(2, b"def")), headers=SSE)
    assert apply_fault(parse_fault("duplicate@frame=0"), tape).frames == (tape.frames[0], *tape.frames)
    assert apply_fault(parse_fault("lose@frame=-1"), tape).frames == tape.frames[:1]


@every_wire
def test_no_usage(wire: str) -> None:
    """Nothing counts tokens any more; events that did not are byte for byte what they were."""
    before, after = damaged("no_usage", wire)
    document_paths = wire_named(wire).document_paths
    assert any(document_paths.output_tokens(value) is not None for value in documents(before, wire))
    assert not any(document_paths.output_tokens(value) is not None for value in documents(after, wire))
    for was, now in zip(events_of(before), events_of(after), strict=True):
        if not document_paths.without_usage(document_paths.read(was.document)):
            assert now.document == was.document


@every_wire
def test_no_usage_in_a_whole_answer(wire: str) -> None:
    """An answer that is not streamed reports no usage either."""
    ask = ask_of(wire, stream=False)
    known = wire_named(wire)
    tape = tape_of_reply(known.encode_complete(Script.of(TEXT), ask))
    document_paths = known.document_paths._replace(wrapped=False)
    if wire != "bedrock_invoke":  # its counts are headers
        assert document_paths.output_tokens(json.loads(tape.body))
    after = apply_fault(parse_fault("no_usage"), tape, known, ask)
    assert not document_paths.output_tokens(json.loads(after.body))


def test_in_band_error_in_an_array_that_has_just_begun() -> None:
    """The error is its only element."""
    tape = Tape((Frame(0, b"["),), headers=(("content-type", "application/json"),))
    (document,) = json.loads(apply_fault(parse_fault("in_band_error"), tape, wire_named("gemini")).body)
    assert document["error"]["code"] == 500
