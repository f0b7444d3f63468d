"""Any stream, cut anywhere, compressed or not, ended in any way: recorded, saved, loaded and replayed as it was."""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.recording.reading_clients import read as read_with
from tests.tokentape.stepped_server import SteppedServer
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.errors import TruncatedRecordingError
from tokentape_harness.recording.clients.chunked_body import ChunkedBody, PlainBody

URL = "http://provider.test/stream"
FAULTS = {
    "complete": None,
    "dropped": httpx2.RemoteProtocolError("peer closed connection"),
    "reset": httpx2.ReadError("reset"),
    "timeout": httpx2.ReadTimeout("timed out"),
}


class Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that arrives in these chunks."""

    def __init__(self, chunks, fault):
        self.chunks = chunks
        self.fault = fault

    def __iter__(self):
        yield from self.chunks
        if self.fault is not None:
            raise self.fault

    async def __aiter__(self):
        for chunk in self:
            yield chunk


def encoded(chunks, coding):
    """The chunks as a server sends them in this coding."""
    if coding is None:
        return chunks
    coder = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    sent = [coder.compress(chunk) + coder.flush(zlib.Z_SYNC_FLUSH) for chunk in chunks]
    return [*sent, coder.flush()]


def read(response, count):
    """Up to `count` decoded pieces, and the exception."""
    pieces = []
    try:
        for piece in response.iter_bytes():
            pieces.append(piece)
            if len(pieces) == count:
                break
    except (httpx2.TransportError, TruncatedRecordingError) as error:
        return pieces, type(error), str(error)
    return pieces, None, None


async def read_async(response):
    """All decoded pieces, and the exception."""
    pieces = []
    try:
        async for piece in response.aiter_bytes():
            pieces.append(piece)
    except httpx2.TransportError as error:
        return pieces, type(error), str(error)
    return pieces, None, None


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    coding=st.sampled_from([None, "gzip", "deflate"]),
    end=st.sampled_from(list(FAULTS)),
    count=st.one_of(st.none(), st.integers(1, 8)),
    content_type=st.sampled_from(["text/event-stream", "application/vnd.amazon.eventstream", "application/json"]),
)
def test_sync_round_trip(chunks, coding, end, count, content_type):
    """A replay gives the bytes, the boundaries and the ending that were seen while recording."""
    headers = {"content-type": content_type} | ({"content-encoding": coding} if coding else {})
    sent = encoded(chunks, coding)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=Chunks(sent, FAULTS[end])))
    with tempfile.TemporaryDirectory() as folder, httpx2.Client(transport=transport) as client:
        path = Path(folder) / "cassette.yaml"
        with use_cassette(path), client.stream("GET", URL) as response:
            live = read(response, count)
        with use_cassette(path, record_mode="none"), client.stream("GET", URL) as response:
            replayed = read(response, count)
        stream = read_cassette(path).interactions[0].response.stream
        with use_cassette(path, record_mode="none"):

            async def call():
                async with (
                    httpx2.AsyncClient(transport=transport) as other,
                    other.stream("GET", URL) as response,
                ):
                    return await read_async(response)

            replayed_async = asyncio.run(call()) if stream.end in ("complete", "dropped", "timeout") else live
    assert replayed == live
    assert live[0] == chunks[: len(live[0])]
    assert [chunk.size for chunk in stream.chunks] == [len(piece) for piece in live[0]]
    if count is None or len(live[0]) < count:
        assert live[0] == chunks
        assert replayed_async == live
        assert stream.end == ("dropped" if end == "reset" else end)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    cuts=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    trailer=st.sampled_from([b"", b"x: y\r\n"]),
    extension=st.sampled_from([b"", b";a=b"]),
)
def test_chunked_coding_is_found_however_it_is_read(chunks, cuts, trailer, extension):
    """The chunks are those of the coding, in whatever pieces a client reads the socket."""
    wire = (
        b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"
    )
    body, found, position, turn = ChunkedBody(), [], 0, 0
    while position < len(wire):
        size = cuts[turn % len(cuts)]
        found += body.feed(wire[position : position + size])
        position, turn = position + size, turn + 1
    assert found == chunks
    assert body.ended
    assert body.partial_chunk() == b""


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6), st.booleans())
def test_a_body_with_its_length_ends_there(chunks, known):
    """A body ends with its length, or else with the connection."""
    body = PlainBody(sum(map(len, chunks)) if known else None)
    assert [piece for chunk in chunks for piece in body.feed(chunk)] == chunks
    assert body.ended is known
    assert body.may_end


@pytest.mark.parametrize("client", ["httpx", "requests", "urllib3", "aiohttp"])
@settings(max_examples=settings.default.max_examples // 3)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6),
    coding=st.sampled_from([None, "gzip"]),
    delimiter=st.sampled_from(["chunked", "close", "length"]),
    cut=st.booleans(),
)
def test_round_trip_over_a_socket(client, chunks, coding, delimiter, cut):
    """Over a real socket each client reads the same bytes recorded and replayed, and the same exception."""
    headers = ["content-type: text/event-stream", *([f"content-encoding: {coding}"] if coding else [])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cassette.yaml"
        sent = encoded(chunks, coding)
        with SteppedServer(sent, headers=headers, delimiter=delimiter, cut=cut) as upstream, use_cassette(path):
            upstream.all()
            pieces, error = read_with(client, upstream.url)
        with use_cassette(path, record_mode="none"):
            again, replayed = read_with(client, upstream.url)
        stream = read_cassette(path).interactions[0].response.stream
    assert type(replayed) is type(error)
    broken = cut and delimiter != "close"
    assert (stream.end, error is None) == (("dropped", False) if broken else ("complete", True))
    if not broken or delimiter == "chunked":
        assert b"".join(again) == b"".join(pieces)
    if not cut:
        assert b"".join(pieces) == b"".join(chunks)
