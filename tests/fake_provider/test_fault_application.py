"""What each fault does to a tape."""

from __future__ import annotations

import functools
import json
import random
import re
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import corpus
from tests.fake_provider.asks import ask_of
from tokentape_fake_provider.encoding.encode import encode, tape_of_reply
from tokentape_fake_provider.errors import FaultError, FaultNotApplicableError
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.fault_injection.fault_context import output_tokens
from tokentape_fake_provider.fault_injection.places import sweep_faults
from tokentape_fake_provider.fault_injection.splice import Edit, cut, delay, splice, split
from tokentape_fake_provider.faults import FAULTS, Fault, fault_name, format_fault, parse_fault
from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Instant, Synthetic
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
    """A place is so many frames or bytes from the beginning, or from the end."""
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


@every_wire
def test_http_errors(wire: str) -> None:
    """An HTTP error has the provider's shape; one for too many requests says when to ask again."""
    after = damaged("http_error@status=429,retry_after=7", wire)[1]
    known, ask = encoded(wire)[1:]
    expected = tape_of_reply(known.encode_error(Error(429, retry_after=7), ask))
    assert (after.status, after.body) == (429, expected.body)
    assert after.header("retry-after") == "7"
    overloaded = damaged("overload@retry_after=3", wire)[1]
    assert overloaded.status == (529 if wire == "anthropic_messages" else 503)
    assert overloaded.header("retry-after") == "3"


@pytest.mark.parametrize(
    ("wire", "remaining"),
    [
        ("openai_chat", "x-ratelimit-remaining-requests"),
        ("openai_responses", "x-ratelimit-remaining-requests"),
        ("openai_completions", "x-ratelimit-remaining-requests"),
        ("anthropic_messages", "anthropic-ratelimit-requests-remaining"),
        ("cohere_chat", "x-trial-endpoint-call-remaining"),
    ],
)
def test_rate_limit_headers(wire: str, remaining: str) -> None:
    """A 429 says in the provider's own header that no requests remain, once."""
    after = damaged("http_error@status=429,retry_after=7", wire)[1]
    assert after.header(remaining) == "0"
    assert len([name for name, _ in after.headers if name == remaining]) == 1


@pytest.mark.parametrize(
    ("dialect", "header"),
    [
        ("azure", ("x-ratelimit-reset-requests", "7")),
        ("groq", ("x-ratelimit-reset-requests", "7s")),
        ("openrouter", ("x-ratelimit-reset", "1800000007000")),
        ("openai", ("x-ratelimit-reset-requests", "7s")),
    ],
)
def test_rate_limit_headers_of_dialects(dialect: str, header: tuple[str, str]) -> None:
    """Providers that share a wire format have header values of their own."""
    tape, known, ask = encoded("openai_chat")
    ask = msgspec.structs.replace(ask, dialect=dialect)
    after = apply_fault(parse_fault("http_error@status=429,retry_after=7"), tape, known, ask)
    assert header in after.headers


@every_wire
def test_bytes_that_stay(wire: str) -> None:
    """Splitting and compressing changes no byte of the content."""
    for spec in ("tiny_chunks", "tiny_chunks@size=7", "split@inside=utf8", "split@inside=event"):
        before, after = damaged(spec, wire)
        assert after.body == before.body
        assert after.apart
    assert {len(frame.data) for frame in damaged("tiny_chunks", wire)[1].frames} == {1}
    for spec in ("gzip", "gzip@flush=false"):
        before, after = damaged(spec, wire)
        assert zlib.decompress(after.body, wbits=31) == before.body
        assert after.header("content-encoding") == "gzip"
    for spec in ("content_type", "slow_headers", "stall@for=1s"):
        before, after = damaged(spec, wire)
        assert after.body == before.body


def test_places_of_splits() -> None:
    """Frames are cut within characters, between CR and LF, and amid events."""
    inside = damaged("split@inside=utf8", "openai_chat")[1]
    assert any(re.search(rb"[\xc2-\xf4]\Z", frame.data) for frame in inside.frames)
    lines = damaged("split@inside=crlf", "openai_chat")[1]
    assert lines.body == encoded("openai_chat")[0].body.replace(b"\n", b"\r\n")
    assert all(frame.data.endswith(b"\r") or frame.data.endswith(b"\n") for frame in lines.frames)
    assert sum(frame.data.endswith(b"\r") for frame in lines.frames) == lines.body.count(b"\r\n")
    amid = damaged("split@inside=event", "openai_chat")[1]
    assert len(amid.frames) == 2 * len(events_of(amid))


def test_flushes_of_gzip() -> None:
    """With a flush each frame can be read as soon as it is there; without one nothing can before the end."""
    for spec, readable in (("gzip", True), ("gzip@flush=false", False)):
        before, after = damaged(spec, "openai_chat", Synthetic(jitter=0))
        first = zlib.decompressobj(wbits=31).decompress(after.frames[0].data)
        assert (first == before.frames[0].data) is readable


def test_gzip_of_a_stream_that_breaks() -> None:
    """What a compressor had not flushed when the connection broke never arrives."""
    tape, known, ask = encoded("openai_chat")
    broken = apply_fault(parse_fault("fin@frame=3"), tape, known, ask)
    flushed = apply_fault(parse_fault("gzip"), broken)
    assert zlib.decompressobj(wbits=31).decompress(flushed.body) == broken.body
    held = apply_fault(parse_fault("gzip@flush=false"), broken)
    assert len(zlib.decompressobj(wbits=31).decompress(held.body)) < len(broken.body)
    assert why("gzip", flushed) == "the body is already compressed"
    assert why("malformed_json", flushed, "openai_chat") == "there is no event 0: the response has 0"


@pytest.mark.parametrize(
    "wire", [name for name in WIRES if name not in ("ollama", "bedrock_converse", "bedrock_invoke")]
)
def test_comments(wire: str) -> None:
    """Comments stand between events and change none."""
    before, after = damaged("comments@text=hello,every=2", wire)
    assert documents(after, wire) == documents(before, wire)
    assert after.body.count(b": hello\n\n") == -(-len(events_of(before)) // 2)


def test_pings() -> None:
    """Anthropic's pings come between its events, after the first."""
    before, after = damaged("pings", "anthropic_messages")
    kinds = [value["type"] for value in documents(after, "anthropic_messages")]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds.count("ping") == len(events_of(before)) - 1 + 1  # and its own


@every_wire
def test_giant_event(wire: str) -> None:
    """An event grows by a field that its reader does not know, and has the same content."""
    before, after = damaged("giant_event@event=1,size=50000", wire)
    was, now = documents(before, wire), documents(after, wire)
    assert now[1].pop("padding") == "x" * 50000
    assert now == was


def test_bit_flip() -> None:
    """One bit differs."""
    tape = Tape((Frame(0, b"abc"), Frame(0, b"def")), headers=SSE)
    assert apply_fault(parse_fault("bit_flip@byte=3,bit=1"), tape).body == b"abcfef"


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


def test_in_band_error_in_an_array_that_has_just_begun() -> None:
    """The error is its only element."""
    tape = Tape((Frame(0, b"["),), headers=(("content-type", "application/json"),))
    (document,) = json.loads(apply_fault(parse_fault("in_band_error"), tape, wire_named("gemini")).body)
    assert document["error"]["code"] == 500
