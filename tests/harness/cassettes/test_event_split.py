"""A body without recorded chunks is cut where its events end."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_harness.cassettes.event_split import split_body


def frame(payload: bytes) -> bytes:
    """An AWS event stream frame as far as its lengths go."""
    return struct.pack(">II", len(payload) + 16, 0) + b"\0" * 4 + payload + b"\0" * 4


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_sse_is_cut_at_blank_lines(end):
    """An SSE event ends at a blank line, whichever of the three line ends is used."""
    events = [b"event: a" + end + b"data: 1" + end + end, b": ping" + end + end, b"data: 2" + end + end]
    assert split_body(b"".join(events), "text/event-stream; charset=utf-8") == events


def test_sse_without_its_content_type_is_recognised():
    """A scrubbed content type does not hide that a body is SSE."""
    assert split_body(b"data: 1\n\ndata: 2\n\n") == [b"data: 1\n\n", b"data: 2\n\n"]
    assert split_body(b"\xef\xbb\xbf: hi\n\ndata: 2\n\n") == [b"\xef\xbb\xbf: hi\n\n", b"data: 2\n\n"]


def test_an_unfinished_event_is_a_piece():
    """A stream that was cut inside an event keeps that part."""
    assert split_body(b"data: 1\n\ndata: {", "text/event-stream") == [b"data: 1\n\n", b"data: {"]


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl", "application/json", ""])
def test_ndjson_is_cut_at_lines(kind):
    """NDJSON is cut at line ends, by its content type or because each line is an object."""
    assert split_body(b'{"a":1}\n{"b":2}\n{"c":3}', kind) == [b'{"a":1}\n', b'{"b":2}\n', b'{"c":3}']


def test_json_array_is_cut_between_elements():
    """A JSON array is cut after each element's comma, and not at brackets or commas in its strings."""
    body = b'[{"a": [1, 2], "b": "],[{\\"\\\\"},\n{"c": {}}\n,{"d": 1}]'
    pieces = split_body(body, "application/json; charset=UTF-8")
    assert pieces == [b'[{"a": [1, 2], "b": "],[{\\"\\\\"},', b'\n{"c": {}}\n,', b'{"d": 1}]']


def test_aws_frames_are_cut_by_their_length():
    """An AWS event stream is cut by the length prefix; a damaged rest stays one piece."""
    frames = [frame(b"abc"), frame(b""), frame(b"\n\n")]
    kind = "application/vnd.amazon.eventstream"
    assert split_body(b"".join(frames), kind) == frames
    assert split_body(frames[0] + b"\x00\x00\x00\x01rest", kind) == [frames[0], b"\x00\x00\x00\x01rest"]
    assert split_body(frames[0] + frames[1][:9], kind) == [frames[0], frames[1][:9]]


@pytest.mark.parametrize("body", [b'{\n  "a": 1\n}', b'{"a":1}\n', b"plain", b"\x89PNG", b'"data:"'], ids=range(5))
def test_anything_else_stays_whole(body):
    """A body that is no stream is one piece."""
    assert split_body(body, "application/json") == [body]


@given(
    st.one_of(st.binary(), st.text('[]{},"\\:\n\rda1 ').map(str.encode)),
    st.sampled_from(
        [
            "text/event-stream",
            "application/x-ndjson",
            "application/json",
            "application/vnd.amazon.eventstream",
            "",
        ]
    ),
)
def test_pieces_join_to_the_body(body, kind):
    """Cutting loses nothing and leaves no empty piece, whatever the body is."""
    pieces = split_body(body, kind)
    assert b"".join(pieces) == body
    assert all(pieces)
