"""Recording over a real socket with every client, and replaying what was recorded."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gzip
import itertools
import json
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import httpx2
import pytest

from tests.harness.recording.reading_clients import BODY, CLIENTS, Enough, read
from tests.tokentape.stepped_server import SteppedServer
from tokentape_harness import (
    Cassette,
    Interaction,
    Request,
    Response,
    read_cassette,
    use_cassette,
    write_cassette,
)
from tokentape_harness.errors import TruncatedRecordingError, UsageError

PIECES = [b'data: {"choices": [{"index": 0, "delta": {"content": "%d"}}]}\n\n' % number for number in range(5)]
DONE = b"data: [DONE]\n\n"


class StoppedClock:
    """A clock that stands still but for what is waited for."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waited: list[float] = []

    def now(self):
        return self.time

    def date(self):
        return dt.datetime(2026, 11, 22, 11, 2, 16, tzinfo=dt.UTC)

    def wait_until(self, deadline):
        self.waited.append(deadline)
        self.time = max(self.time, deadline)

    async def wait_until_async(self, deadline):
        self.wait_until(deadline)


@pytest.fixture(params=list(CLIENTS))
def client(request):
    """Each client in turn."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """A cassette that is not there yet."""
    return tmp_path / "cassette.yaml"


def recorded(path):
    """The one interaction of a cassette."""
    (interaction,) = read_cassette(path)
    return interaction


def record(path, client, pieces=PIECES, *, enough=None, clock=None, timeout=10.0, **server):
    """Record a stream of which the server sends a piece only after the client has the one before it."""
    times = itertools.count(1)
    with SteppedServer(pieces, **server) as upstream, use_cassette(path, clock=clock):

        def got():
            if clock is not None:
                clock.time += 100
            if next(times) == enough:
                raise Enough
            upstream.step()

        upstream.step()
        return upstream.url, read(client, upstream.url, got, timeout=timeout)


def test_the_client_sees_the_stream_live_while_it_is_recorded(client, path):
    """Each piece reaches the client before the next one is sent, and the file has each with its time."""
    clock = StoppedClock()
    _, (pieces, error) = record(path, client, clock=clock)
    assert (pieces, error) == (PIECES, None)
    stream = recorded(path).response.stream
    assert [chunk.size for chunk in stream.chunks] == [len(piece) for piece in PIECES]
    assert [chunk.at for chunk in stream.chunks] == [0, 100, 200, 300, 400]
    assert (stream.end, stream.end_at, stream.seq, stream.error) == ("complete", 500, 0, None)
    assert stream.recorded_at == "2026-11-22T11:02:16Z"


def test_replay_gives_the_original_chunks_at_once(client, path):
    """A replay needs no server, gives the recorded pieces, and waits for nothing."""
    url, _ = record(path, client, clock=StoppedClock())
    clock = StoppedClock()
    with use_cassette(path, record_mode="none", clock=clock) as cassette:
        assert read(client, url) == (PIECES, None)
        assert cassette.all_played
    assert clock.waited == []


@pytest.mark.parametrize(("speed", "factor"), [(1, 1.0), (4, 0.25)])
def test_replay_in_recorded_time(client, path, speed, factor):
    """With a speed each piece comes at its recorded time, divided by the speed."""
    url, _ = record(path, client, clock=StoppedClock())
    clock = StoppedClock()
    with use_cassette(path, record_mode="none", clock=clock, speed=speed):
        assert read(client, url) == (PIECES, None)
    assert clock.waited == [1000 + at * factor for at in (0, 0, 100, 200, 300, 400, 500)]


@pytest.mark.parametrize("other", list(CLIENTS))
def test_any_client_replays_what_another_recorded(path, other):
    """A recording is the provider's, not the client's."""
    url, _ = record(path, "httpx2")
    with use_cassette(path, record_mode="none"):
        assert read(other, url) == (PIECES, None)


@pytest.mark.parametrize("delimiter", ["chunked", "length"])
def test_a_dropped_stream_replays_as_the_clients_own_exception(client, path, delimiter):
    """What a client gets of a connection that broke off is the same plain, while recording and on replay."""
    got = []
    for cassette in (contextlib.nullcontext(), use_cassette(path)):
        with SteppedServer(PIECES, delimiter=delimiter, cut=True) as upstream, cassette:
            upstream.all()
            got.append(read(client, upstream.url))
            url = upstream.url
    response = recorded(path).response
    assert (response.stream.end, response.stream.error.kind) == ("dropped", "incomplete_body")
    assert response.body == b"".join(PIECES[:-1])
    with use_cassette(path, record_mode="none"):
        got.append(read(client, url))
    plain, live, replayed = [(b"".join(pieces), type(error), str(error)) for pieces, error in got]
    assert issubclass(plain[1], Exception)
    assert plain == live == replayed


@pytest.mark.parametrize("other", list(CLIENTS))
def test_a_drop_is_another_clients_own_exception_too(path, other):
    """A stream that broke off while httpx2 recorded it raises each client's own exception on replay."""
    url, _ = record(path, "httpx2", cut=True)
    _, live = record(path.with_name("live.yaml"), other, cut=True)
    with use_cassette(path, record_mode="none"):
        pieces, error = read(other, url)
    assert pieces == PIECES[:-1]
    assert type(error) is type(live[1])


def test_a_timeout_replays_as_the_clients_own_exception(client, path):
    """A server that fell silent raises the same timeout again, at once."""
    for patience in (0.2, 10.0):  # a machine that stands still is another silence
        path.unlink(missing_ok=True)
        with SteppedServer(PIECES) as upstream, use_cassette(path):
            upstream.step(2)
            pieces, error = read(client, upstream.url, timeout=patience)
            url = upstream.url
        if b"".join(pieces) == b"".join(PIECES[:2]):
            break
    assert b"".join(pieces) == b"".join(PIECES[:2])
    assert "timeout" in type(error).__name__.lower() or "timed out" in str(error).lower()
    assert (recorded(path).response.stream.end, recorded(path).response.stream.error.kind) == (
        "timeout",
        "read_timeout",
    )
    with use_cassette(path, record_mode="none"):
        again, replayed = read(client, url, timeout=0.2)
    assert b"".join(again) == b"".join(pieces)
    assert type(replayed) is type(error)


def test_an_endless_stream_is_recorded_until_the_client_leaves(client, path):
    """What arrived until then is kept, and replays as far as the client read."""
    url, (pieces, _) = record(path, client, enough=3)
    assert pieces == PIECES[:3]
    assert recorded(path).response.stream.end == "client_closed"
    with use_cassette(path, record_mode="none"):
        times = itertools.count(1)

        def got():
            if next(times) == 3:
                raise Enough

        assert read(client, url, got) == (PIECES[:3], None)


def test_reading_past_what_was_recorded_fails(client, path):
    """A client that reads past the recording gets an error that states it, unless that is allowed."""
    url, _ = record(path, client, enough=3)
    with use_cassette(path, record_mode="none"):
        pieces, error = read(client, url)
    assert pieces == PIECES[:3]
    assert isinstance(error, TruncatedRecordingError), repr(error)
    assert "the recording ends after" in str(error)
    with use_cassette(path, record_mode="none", allow_truncated=True):
        assert read(client, url) == (PIECES[:3], None)


def test_leaving_at_the_terminal_event_is_complete(client, path):
    """A client that closes at `[DONE]` has read the whole stream."""
    final = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    pieces = [*PIECES, final, DONE]
    url, (got, _) = record(path, client, pieces, enough=len(pieces))
    assert got == pieces
    assert recorded(path).response.stream.end == "complete"
    with use_cassette(path, record_mode="none"):
        assert read(client, url) == (pieces, None)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_stream_is_kept_plain(client, path, coding):
    """The file has the decoded bytes with the chunks as they came, and replays without the coding."""
    wbits = 31 if coding == "gzip" else 15
    coder = zlib.compressobj(wbits=wbits)
    sent = [coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH) for piece in PIECES[:-1]]
    sent.append(coder.compress(PIECES[-1]) + coder.flush())
    headers = ("content-type: text/event-stream", f"content-encoding: {coding}")
    url, (pieces, error) = record(path, client, sent, headers=headers)
    assert (pieces, error) == (PIECES, None)
    response = recorded(path).response
    assert response.body == b"".join(PIECES)
    assert [chunk.size for chunk in response.stream.chunks] == [len(piece) for piece in PIECES]
    assert response.stream.encoding == coding
    assert "content-encoding" not in dict(response.headers)
    with use_cassette(path, record_mode="none"):
        assert read(client, url) == (PIECES, None)


def test_a_compressed_body_with_its_length_replays(client, path):
    """The length is that of the decoded body."""
    body = gzip.compress(b'{"text": "%s"}' % (b"long " * 100))
    headers = ("content-type: application/json", "content-encoding: gzip")
    url, (pieces, _) = record(path, client, [body], headers=headers, delimiter="length")
    with use_cassette(path, record_mode="none"):
        again, error = read(client, url)
    assert error is None
    assert b"".join(again) == b"".join(pieces) == gzip.decompress(body)


def test_a_stream_that_is_open_at_the_end_is_kept(path):
    """A response that is still open when the cassette closes is recorded as far as it came."""
    with SteppedServer(PIECES) as upstream, httpx2.Client() as client:
        with use_cassette(path):
            upstream.step()
            response = client.send(client.build_request("POST", upstream.url, json={}), stream=True)
            pieces = response.iter_bytes()
            assert next(pieces) == PIECES[0]
        upstream.all()
        assert list(pieces) == PIECES[1:], "the client's own stream goes on"
    assert recorded(path).response.stream.end == "open_at_exit"
    assert recorded(path).response.body == PIECES[0]


def test_speed_must_be_positive(path):
    """A speed that is not positive is an error at once."""
    with pytest.raises(UsageError, match="speed is 0"):
        use_cassette(path, speed=0)


def test_aiohttp_reads_on_after_a_cancelled_read(path):
    """A read that was cancelled is no end: the client reads on, and the recording is whole."""

    async def read_all(url, step):
        async with aiohttp.ClientSession() as session, session.post(url, json={}) as response:
            pieces = [await response.content.readany()]
            reading = asyncio.ensure_future(response.content.readany())
            await asyncio.sleep(0)
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                pieces.append(await reading)
            step()
            return b"".join([*pieces, await response.content.read()])

    with SteppedServer(PIECES) as upstream, use_cassette(path):
        upstream.step()
        assert asyncio.run(read_all(upstream.url, upstream.all)) == b"".join(PIECES)
        url = upstream.url
    assert recorded(path).response.stream.end == "complete"
    with use_cassette(path, record_mode="none"):
        assert asyncio.run(read_all(url, lambda: None)) == b"".join(PIECES)


@pytest.mark.parametrize("package", [httpx2, httpx])
def test_a_cancelled_reader_is_cancelled_again(path, package):
    """A reader that ran into its own timeout does so again on replay, after the same pieces."""

    async def read_all(url):
        pieces = []
        async with package.AsyncClient() as client:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3), client.stream("POST", url) as response:
                    async for piece in response.aiter_bytes():
                        pieces.append(piece)
                return pieces, "ended"
        return pieces, "cancelled"

    with SteppedServer(PIECES) as upstream, use_cassette(path):
        upstream.step(2)
        live = asyncio.run(read_all(upstream.url))
        url = upstream.url
    assert live == (PIECES[:2], "cancelled")
    stream = recorded(path).response.stream
    assert (stream.end, stream.error.kind) == ("client_closed", "cancelled")
    with use_cassette(path, record_mode="none"):
        assert asyncio.run(read_all(url)) == live


def test_replay_opens_no_connection(client, path):
    """A request to a provider over TLS is replayed without a name looked up or a socket opened."""
    content = json.dumps(BODY).encode()
    body = b"".join(PIECES)
    request = Request("POST", "https://provider.invalid/v1/chat/completions", (), content)
    response = Response(200, "OK", (("content-type", "text/event-stream"),), body)
    write_cassette(path, Cassette((Interaction(request, response),)))
    with use_cassette(path, record_mode="none", all_played=True):
        assert read(client, "https://provider.invalid") == (PIECES, None)


@pytest.mark.parametrize("client", ["httpx2", "httpx", "requests", "urllib3"])
def test_threads_share_a_cassette(client, path):
    """Requests of several threads at once are each answered once."""
    request = Request("POST", "https://provider.invalid/v1/chat/completions", (), json.dumps(BODY).encode())
    answers = [b"data: %d\n\n" % number for number in range(12)]
    responses = (Response(200, "OK", (("content-type", "text/event-stream"),), answer) for answer in answers)
    write_cassette(path, Cassette(tuple(Interaction(request, response) for response in responses)))
    with use_cassette(path, record_mode="none", all_played=True), ThreadPoolExecutor(6) as threads:
        got = list(threads.map(lambda _: read(client, "https://provider.invalid"), answers))
    assert sorted(pieces[0] for pieces, _ in got) == sorted(answers)


@pytest.mark.parametrize("client", ["httpx2", "httpx2 async", "aiohttp"])
def test_the_machines_own_clock_paces(client, path):
    """Without a clock of the test's a timed replay waits by the machine's own."""
    url, _ = record(path, client, clock=StoppedClock())
    began = time.perf_counter()
    with use_cassette(path, record_mode="none", speed=10):
        assert read(client, url) == (PIECES, None)
    assert time.perf_counter() - began >= 0.05, "500 ms at tenfold speed"
