"""AWS event streams, cut into frames as botocore's own parser cuts them."""

from __future__ import annotations

import struct
import uuid
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import eventstream
from hypothesis import given
from hypothesis import strategies as st

from tests.aws_frames import START, STOP, TEXT_DELTA, event, exception, frame
from tokentape import DecodeError
from tokentape.framing.aws_event_stream import AWSEventStreamFraming, parse_headers

names = st.text(min_size=1, max_size=12).filter(lambda name: len(name.encode()) <= 255)
values = st.one_of(
    st.just(b"\x00"),
    st.just(b"\x01"),
    st.binary(min_size=1, max_size=1).map(lambda raw: b"\x02" + raw),
    st.binary(min_size=2, max_size=2).map(lambda raw: b"\x03" + raw),
    st.binary(min_size=4, max_size=4).map(lambda raw: b"\x04" + raw),
    st.binary(min_size=8, max_size=8).map(lambda raw: b"\x05" + raw),
    st.binary(max_size=20).map(lambda raw: b"\x06" + struct.pack("!H", len(raw)) + raw),
    st.text(max_size=20).map(lambda text: b"\x07" + struct.pack("!H", len(text.encode())) + text.encode()),
    st.integers(0, 4_000_000_000_000).map(lambda at: b"\x08" + struct.pack("!q", at)),
    st.binary(min_size=16, max_size=16).map(lambda raw: b"\x09" + raw),
)
blocks = st.dictionaries(names, values, max_size=4).map(
    lambda built: b"".join(bytes([len(name.encode())]) + name.encode() + value for name, value in built.items())
)
frames = st.tuples(blocks, st.binary(max_size=60)).map(lambda built: frame(*built))


def ours(chunks: list[bytes]) -> tuple[list[tuple[dict[str, Any], bytes]], bool]:
    """What our framing makes of bytes, and whether it found a fault."""
    framing = AWSEventStreamFraming()
    found = []
    try:
        for data in chunks:
            found.extend((dict(got.headers), got.payload) for got in framing.feed(data))
    except DecodeError:
        return found, True
    return found, False


def plain(headers: dict[str, Any]) -> dict[str, Any]:
    """Headers as botocore has them: times as ms, UUIDs as bytes."""
    return {
        name: round(value.timestamp() * 1000)
        if isinstance(value, datetime)
        else value.bytes
        if isinstance(value, uuid.UUID)
        else value
        for name, value in headers.items()
    }


def botocores(chunks: list[bytes]) -> tuple[list[tuple[dict[str, Any], bytes]], bool]:
    """What botocore's parser makes of the same."""
    buffer = eventstream.EventStreamBuffer()
    found = []
    try:
        for data in chunks:
            buffer.add_data(data)
            found.extend((got.headers, got.payload) for got in buffer)
    except eventstream.ParserError:
        return found, True
    return found, False


def pieces(body: bytes, size: int) -> list[bytes]:
    """The body in pieces of `size` bytes."""
    return [body[at : at + size] for at in range(0, len(body), size)]


@given(built=st.lists(frames, max_size=4), size=st.sampled_from((1, 2, 7, 1000)))
def test_frames_are_those_of_botocore(built: list[bytes], size: int) -> None:
    """Every header type and payload comes out as it does there, however it is cut."""
    chunks = pieces(b"".join(built), size)
    found, fault = ours(chunks)
    assert not fault
    assert [(plain(headers), payload) for headers, payload in found] == botocores(chunks)[0]
    assert len(found) == len(built)


@given(built=st.lists(frames, min_size=1, max_size=3), at=st.integers(0), to=st.integers(0, 255), cut=st.booleans())
def test_damage_is_found_where_botocore_finds_it(built: list[bytes], at: int, to: int, cut: bool) -> None:
    """A changed byte, or a missing end, gives the same frames before it and the same verdict."""
    body = bytearray(b"".join(built))
    body[at % len(body)] = to
    damaged = bytes(body[: at % len(body)] if cut else body)
    found, fault = ours([damaged])
    expected, fault_there = botocores([damaged])
    assert ([(plain(headers), payload) for headers, payload in found], fault) == (expected, fault_there)


@given(data=st.binary(max_size=200), size=st.sampled_from((1, 3, 1000)))
def test_arbitrary_bytes_are_refused_with_our_error(data: bytes, size: int) -> None:
    """Nothing but DecodeError comes out, and twelve bytes are enough to see it."""
    _, fault = ours(pieces(data, size))
    assert fault == (len(data) >= 12)


@pytest.mark.parametrize(
    ("damage", "message", "place"),
    [
        (4, "frame 1 (at byte {at}) has a wrong prelude checksum. Is this an AWS event stream?", 1),
        (40, "frame 1 (at byte {at}) has a wrong message checksum. Was it damaged or edited on the way?", 1),
    ],
)
def test_a_wrong_checksum_names_frame_and_byte(damage: int, message: str, place: int) -> None:
    """The error has the frame's number and offset; the frames before it are returned first."""
    body = bytearray(START + TEXT_DELTA)
    body[len(START) + damage] ^= 1
    for size in (1, 5, 1000):
        framing = AWSEventStreamFraming()
        got: list[Any] = []
        with pytest.raises(DecodeError) as caught:
            got.extend(found for data in pieces(bytes(body), size) for found in framing.feed(data))
        assert [one.headers[":event-type"] for one in got] == ["messageStart"]
        assert (caught.value.event, caught.value.offset) == (place, len(START))
        assert str(caught.value) == "AWS event stream " + message.format(at=len(START))


def test_events_come_as_documents_under_their_name() -> None:
    """Events, exceptions, errors, empty and broken payloads are each one JSON document."""
    body = (
        event("messageStop", b'{"stopReason":"end_turn"}')
        + event("initial-response", b"")
        + exception("throttlingException", b'{"message":"Slow down."}')
        + exception("odd", b"no JSON")
        + frame({":message-type": "error", ":error-code": "InternalError", ":error-message": 'An "error"'})
    )
    expected = [
        b'{"messageStop":{"stopReason":"end_turn"}}',
        b'{"initial-response":{}}',
        b'{":exception-type":"throttlingException",":payload":{"message":"Slow down."}}',
        b'{":exception-type":"odd",":payload":"no JSON"}',
        b'{":error-code":"InternalError",":error-message":"An \\"error\\"",":payload":""}',
    ]
    for size in (1, 2, 1000):
        framing = AWSEventStreamFraming()
        assert [document for data in pieces(body, size) for document in framing.feed_data(data)] == expected
        assert framing.rest == b""


def test_headers_of_every_type_are_read() -> None:
    """Times are in UTC, UUIDs are UUIDs."""
    block = b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x08" + struct.pack("!q", 1500) + b"\x01e\x09" + bytes(range(16))
    assert parse_headers(block) == {
        "a": True,
        "b": False,
        "c": -1,
        "d": datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
        "e": uuid.UUID(bytes=bytes(range(16))),
    }


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (b"\x01a\x00\x01a\x00", "there are two 'a'"),
        (b"\x01a", "they end too early"),
        (b"\x05a", "they end too early"),
        (b"\x01a\x07\x00\x05ab", "they end too early"),
        (b"\x01a\x0a", "there is no header type 10"),
        (b"\x01\xff\x00", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_broken_headers_are_a_decode_error_at_their_frame(block: bytes, problem: str) -> None:
    """Valid checksums around invalid headers: the error names the frame."""
    with pytest.raises(DecodeError) as caught:
        list(AWSEventStreamFraming().feed(START + frame(block, b"{}")))
    assert (caught.value.event, caught.value.offset) == (1, len(START))
    assert str(caught.value) == (f"AWS event stream frame 1 (at byte {len(START)}) has invalid headers: {problem}")


def test_a_frame_that_cannot_be_is_refused_at_its_prelude() -> None:
    """A length that no frame has is not waited for."""
    prelude = struct.pack("!II", 100_000_000, 0)
    whole = prelude + struct.pack("!I", zlib.crc32(prelude))
    with pytest.raises(DecodeError, match=r"frame 0 \(at byte 0\) claims 0 bytes of headers in 100000000"):
        list(AWSEventStreamFraming().feed(whole))


def test_cost_is_linear_in_one_byte_pieces() -> None:
    """A large frame in small pieces is joined twice, not at each piece."""
    body = event("contentBlockDelta", b'{"x":"' + b"a" * 200_000 + b'"}') + STOP
    framing = AWSEventStreamFraming()
    joined = sum(len(framing.feed_data(body[at : at + 1])) for at in range(len(body)))
    assert joined == 2
