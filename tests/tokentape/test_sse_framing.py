"""Server-sent events as WHATWG specifies them, however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokentape import TokentapeError, stream_bytes, wire_names
from tokentape.framing.ndjson import NDJSONFraming
from tokentape.framing.sse import SSEFraming


def reference(body: bytes) -> list[tuple[str, str]]:
    """The parser of the specification, HTML section 9.2.6, step by step and slowly: pairs of event type and data."""
    text = body.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    lines: list[str] = []
    line = ""
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\r" and text[position + 1 : position + 2] == "\n":
            lines.append(line)
            line = ""
            position += 1
        elif character in "\r\n":
            lines.append(line)
            line = ""
        else:
            line += character
        position += 1
    # What no line end follows is not a line of the stream; an event that no blank line follows is discarded.
    events: list[tuple[str, str]] = []
    data_buffer, event_type = "", ""
    for line in lines:
        if line == "":
            if data_buffer == "":
                event_type = ""
                continue
            data_buffer = data_buffer.removesuffix("\n")
            events.append((event_type, data_buffer))
            data_buffer, event_type = "", ""
        elif line.startswith(":"):
            pass
        else:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                event_type = value
            elif field == "data":
                data_buffer += value + "\n"
    return events


def framed(pieces: list[bytes]) -> list[tuple[str, str]]:
    """Ours, as text."""
    framing = SSEFraming()
    return [
        (name.decode("utf-8", "replace"), data.decode("utf-8", "replace"))
        for piece in pieces
        for name, data in framing.feed(piece)
    ]


def framed_data(pieces: list[bytes]) -> list[str]:
    """The way that decoders use, which has short cuts for the common shapes."""
    framing = SSEFraming()
    return [data.decode("utf-8", "replace") for piece in pieces for data in framing.feed_data(piece)]


CASES: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "LF": (b"data: a\n\ndata: b\n\n", [("", "a"), ("", "b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
    "mixed line ends": (b"data: a\r\n\rdata: b\n\r\ndata: c\r\n\n", [("", "a"), ("", "b"), ("", "c")]),
    "CR then LF are two ends only if apart": (b"data: a\r\n\ndata: b\n\n", [("", "a"), ("", "b")]),
    "BOM": (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
    "two BOMs": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("", "b")]),
    "a BOM later": (b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: \xef\xbb\xbf\n\n", [("", "a"), ("", "\ufeff")]),
    "half a BOM": (b"\xef\xbbdata: a\n\ndata: b\n\n", [("", "b")]),
    "BOM and CR": (b"\xef\xbb\xbf\r\ndata: a\r\n\r\n", [("", "a")]),
    "comments": (b": hi\n\n:\n\ndata: a\n: between\ndata: b\n\n", [("", "a\nb")]),
    "several lines": (b"data: a\ndata: b\ndata\ndata:\n\n", [("", "a\nb\n\n")]),
    "no space": (b"data:a\n\ndata:  b\n\ndata:\tc\n\n", [("", "a"), ("", " b"), ("", "\tc")]),
    "no colon": (b"data\n\n", [("", "")]),
    "empty data": (b"data:\n\ndata: \n\n", [("", ""), ("", "")]),
    "colons in data": (b"data: a: b:c\n\n", [("", "a: b:c")]),
    "named": (b"event: x\ndata: a\n\ndata: b\nevent: y\n\n", [("x", "a"), ("y", "b")]),
    "a name alone is dropped": (b"event: x\n\ndata: a\n\n", [("", "a")]),
    "the last name wins": (b"event: x\nevent: y\ndata: a\n\n", [("y", "a")]),
    "id and retry": (b"id: 1\nretry: 10\ndata: a\n\nid\n\nretry: x\n\nid: \0\ndata: b\n\n", [("", "a"), ("", "b")]),
    "unknown fields": (b"Data: a\ndata : b\n data: c\nfoo: d\nfoo\n\ndata: e\n\n", [("", "e")]),
    "NUL": (b"data: a\0b\n\n", [("", "a\0b")]),
    "other line separators are text": (
        "data: a\u2028b\u2029c\x0bd\x0ce\x85f\n\n".encode(),
        [("", "a\u2028b\u2029c\x0bd\x0ce\x85f")],
    ),
    "invalid UTF-8": (b"data: \xff\xc3\n\ndata: \xe2\x82\n\n", [("", "\ufffd\ufffd"), ("", "\ufffd")]),
    "no last blank line": (b"data: a\n\ndata: b\n", [("", "a")]),
    "no last line end": (b"data: a\n\ndata: b", [("", "a")]),
    "many blank lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", [("", "a"), ("", "b")]),
    "nothing": (b"", []),
    "named events of one line": (b"event: x\ndata: a\n\nevent: y\ndata: b\n\n", [("x", "a"), ("y", "b")]),
    "as many lines, otherwise dealt": (
        b"event: x\ndata: a\ndata: b\n\nevent: y\n\nevent: z\ndata: c\n\n",
        [("x", "a\nb"), ("z", "c")],
    ),
    "a data line that looks like an event": (
        b"event: x\ndata: event: y\n\nevent: x\ndata: \n\n",
        [("x", "event: y"), ("x", "")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    """Each case gives these events whole, in pieces of 1 and 2 bytes, and at every split; so does the reference."""
    body, expected = CASES[name]
    assert reference(body) == expected
    assert framed([body]) == expected
    for size in (1, 2, 3):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert framed(pieces) == expected
        assert framed_data(pieces) == [data for _, data in expected]
    for cut in range(len(body) + 1):
        pieces = [body[:cut], b"", body[cut:]]
        assert framed(pieces) == expected
        assert framed_data(pieces) == [data for _, data in expected]


LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"data: ",
        b"event: x",
        b"event:",
        b": c",
        b"id: 1",
        b"\xef\xbb\xbf",
        b"",
        b"",
        b"\xff",
        b" ",
        b":",
    ]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b""])
BODIES = st.one_of(
    st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=12).map(b"".join),
    st.binary(max_size=30),
    st.lists(st.sampled_from([b"event: x\n", b"data: a\n", b"\n", b"data: "]), max_size=12).map(b"".join),
)


def cut_at(body: bytes, cuts: list[int]) -> list[bytes]:
    """The body in pieces."""
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:stop] for start, stop in itertools.pairwise(places)]


@given(BODIES, st.lists(st.integers(0, 200), max_size=8))
@example(b"\xef\xbb\xbf\r\n\r\ndata: a\r\n\r\n", [1, 2, 3, 4, 5])
def test_any_bytes_in_any_pieces_agree_with_the_specification(body: bytes, cuts: list[int]) -> None:
    """Any bytes, split anywhere, give the events of the reference parser."""
    expected = reference(body)
    pieces = cut_at(body, cuts)
    assert framed(pieces) == expected
    assert framed_data(pieces) == [data for _, data in expected]


@given(BODIES, st.lists(st.integers(0, 200), max_size=5))
def test_what_is_left_over_is_kept(body: bytes, cuts: list[int]) -> None:
    """`rest` is the incomplete event: with a blank line after it, the event is complete."""
    framing = SSEFraming()
    for piece in cut_at(body, cuts):
        framing.feed(piece)
    assert framed([body]) + framed([b"\n" + framing.rest + b"\n\n"]) == reference(body + b"\n\n")


def test_a_long_event_in_small_pieces_is_joined_once() -> None:
    """Pieces are kept apart until the event is whole, so that the work is linear in its size."""
    framing = SSEFraming()
    for _ in range(1000):
        assert framing.feed_data(b"data: x") == []
    assert len(framing._tail) == 1000
    assert framing.feed_data(b"\n") == []
    (data,) = framing.feed_data(b"\n")
    assert len(data) == 7 * 1000 - 6


@given(
    st.lists(st.sampled_from([b'{"a":1}', b"", b"x", b" ", b"\r"]), max_size=8),
    st.lists(st.integers(0, 80), max_size=6),
)
@example([b'{"a":1}', b'{"b":2}', b'{"c":3}', b""], [8])
def test_ndjson_lines(lines: list[bytes], cuts: list[int]) -> None:
    """Lines end in LF or CRLF, blank ones are dropped, the last needs its line end; pieces change nothing."""
    for end in (b"\n", b"\r\n"):
        body = end.join(lines)
        framing = NDJSONFraming()
        got = [line for piece in cut_at(body, cuts) for line in framing.feed_data(piece)]
        whole = [line.strip() for line in body.split(b"\n")]
        assert got == [line for line in whole[:-1] if line]
        assert framing.rest.strip() == whole[-1]


READS = [
    *(
        b"data: a\n\n",
        b"event: b\ndata: a\n\n",
        b"data: a\r\n\r\n",
        b"data: a\rdata: b\r\n\r\n",
        b"event: b\r\ndata: a\r\n\r\n",
        b"data: \n\n",
    ),
    *(b"data: a\nid: 5\n\n", b"data: a\nid: 5\r\n\r\n", b"data: a\rid: 5\n\n", b"data: a\rid: 5\r\n\r\n"),
    *(b"data: a\n\ndata: b\n\n", b"data: a\r\n\r\ndata: b\r\n\r\n", b"data: a\r\n\ndata: b\n\n", b"data: a\n\r\n"),
    *(b"data: a\n", b"data: a\r\n\r", b"data: a\r\r", b"data: a\n\n\n", b"data: a\r\n\n", b"data: a"),
    *(b"event: error\ndata: a\n\n", b"event: b\rdata: a\n\n", b"event: b\r\ndata: a\n\n", b"data: a\ndata: b\n\n"),
    *(b"event: b\ndata: a", b"data: a\n\ndata: b", b"\n", b"\r", b": ping\n\n", b": ping\n\ndata: a\n\n"),
]


@pytest.mark.parametrize("read", READS)
def test_a_read_with_one_event_is_cut_as_in_single_bytes(read):
    """A read with one event gives the documents that its bytes give one by one, whatever came in the reads before."""
    for other in READS:
        whole, single = SSEFraming(), SSEFraming()
        for data in (b"data: first\n\n", read, read, other, read, other, other, b"\n\ndata: last\n\n"):
            expected = [document for at in range(len(data)) for document in single.feed_data(data[at : at + 1])]
            assert whole.feed_data(data) == expected, (other, data)
            assert whole.rest.strip() == single.rest.strip(), (other, data)


@pytest.mark.parametrize("wire", wire_names())
@pytest.mark.parametrize("begin", [b'data: {"a":"', b'[{"a":"', b'{"a":"', b"data: ", b'event: x\ndata: "', b":"])
def test_a_stream_that_ends_inside_a_long_event_is_an_error_at_once(wire: str, begin: bytes) -> None:
    """Where in a long unfinished event a stream broke off is found in linear time; it took hours for one of 1 MB."""
    with pytest.raises(TokentapeError):
        list(stream_bytes([begin + b"x" * 300_000], wire))
