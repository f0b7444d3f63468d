"""The recording proxy over real sockets: bytes pass as they come, and the cassette has them as they were."""

from __future__ import annotations

import datetime as dt
import gzip
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import anyio
import httpx2
import msgspec
import pytest

from tests.harness.recording.proxy.processes import environment, record
from tests.http_server import QuietHandler, serving
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_harness import read_cassette
from tokentape_harness.errors import CassetteError, UsageError
from tokentape_harness.recording.clock import SystemClock
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of
from tokentape_harness.recording.proxy.signing import sign_again

SSE = (("content-type", "text/event-stream"), ("x-request-id", "r-1"))
FRAMES = (
    *(Frame(100.0 * (n + 1), b'data: {"n":%d}\n\n' % n) for n in range(4)),
    Frame(500.0, b"data: [DONE]\n\n"),
)
BODY = b"".join(frame.data for frame in FRAMES)
KEY = "sk-proj-planted0123456789abcdefghij"


class SteppedClock(SystemClock):
    """The harness's clock, with the upstream's controlled time."""

    def __init__(self, clock):
        self._clock = clock

    def now(self):
        return self._clock.now()

    def date(self):
        return dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


@pytest.fixture
def proxy(tmp_path, upstream, clock, reports):
    """Starts proxies that record the upstream's answers to OpenAI's and Anthropic's requests."""
    url = upstream.url

    def make(mode="new_episodes", **options):
        given = [f"openai={options.pop('url', url)}/v1"]
        upstreams = upstreams_of(given, {})
        own = options.pop("own_clock", None) or SteppedClock(clock)
        return RecordingProxy(upstreams, tmp_path, mode=mode, clock=own, report=reports.append, **options)

    return make


def streamed(proxy, text="Hello?", **headers):
    """A request whose response is read as it comes."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
    headers = {"authorization": f"Bearer {KEY}", **headers}
    return httpx2.stream("POST", f"{proxy.url}/openai/v1/chat/completions", json=body, headers=headers, timeout=10)


def untimed(*frames, **options):
    """A tape that leaves at once."""
    return Tape(tuple(Frame(0.0, data) for data in frames), 200, SSE, **options)


def recorded(tmp_path):
    """The interactions of OpenAI's cassette."""
    return read_cassette(tmp_path / "openai.yaml").interactions


def test_chunks_pass_live_and_are_kept(proxy, upstream, clock, tmp_path):
    """Each chunk is at the client before the upstream sends the next; bytes, boundaries, times and URI are kept."""
    upstream.default.push(Tape(FRAMES, 200, SSE, end_at=500.0))
    with proxy() as running, streamed(running) as response:
        pieces = response.iter_raw()
        assert response.headers["x-request-id"] == "r-1"
        for frame in FRAMES:
            assert clock.wait_for_deadline() == frame.at
            clock.jump(ms=100)
            assert next(pieces) == frame.data
        assert list(pieces) == []
    (interaction,) = recorded(tmp_path)
    stream = interaction.response.stream
    assert interaction.request.uri == f"{upstream.url}/v1/chat/completions"
    assert interaction.response.body == BODY
    assert [(chunk.size, chunk.at) for chunk in stream.chunks] == [(len(frame.data), frame.at) for frame in FRAMES]
    assert stream.end == "complete"


def test_a_connection_that_takes_long(proxy, upstream, clock, tmp_path, monkeypatch):
    """The time that a new connection takes is the proxy's, and is not in the recorded times."""
    connect = anyio.connect_tcp

    async def slow(*arguments, **options):
        clock.jump(ms=500)
        return await connect(*arguments, **options)

    monkeypatch.setattr(anyio, "connect_tcp", slow)
    upstream.default.push(untimed(b"data: [DONE]\n\n"))
    with proxy() as running, streamed(running) as response:
        response.read()
    (interaction,) = recorded(tmp_path)
    assert clock.now() == 500
    assert (interaction.response.stream.start, interaction.response.stream.end_at) == (0.0, 0.0)


def test_gzip_passes_through(proxy, upstream, tmp_path):
    """A compressed body reaches the client in its coding, and the cassette decoded."""
    data = gzip.compress(BODY, mtime=0)
    upstream.default.push(Tape((Frame(0.0, data),), 200, (*SSE, ("content-encoding", "gzip"))))
    with proxy() as running, streamed(running) as response:
        assert b"".join(response.iter_raw()) == data
    (interaction,) = recorded(tmp_path)
    assert interaction.response.body == BODY
    assert interaction.response.stream.encoding == "gzip"


def test_a_client_that_leaves(proxy, upstream, clock, tmp_path):
    """A client that leaves early ends the upstream's stream, and the recording's end states it."""
    upstream.default.push(Tape(FRAMES, 200, SSE, end_at=500.0))
    with proxy() as running:
        with streamed(running) as response:
            clock.wait_for_deadline()
            clock.jump(ms=100)
            assert next(response.iter_raw()) == FRAMES[0].data
        (entry,) = upstream.default.journal.wait()
    assert entry.outcome == "client_left"
    (interaction,) = recorded(tmp_path)
    assert interaction.response.body == FRAMES[0].data
    assert interaction.response.stream.end == "client_closed"


def test_an_error_that_the_client_leaves_unread(proxy, upstream, clock, tmp_path):
    """SDKs close an error unread to try again: its body comes after that, and is recorded."""
    body = b'{"error": {"message": "slow down"}}'
    head = (("content-type", "application/json"),)
    upstream.default.push(Tape((Frame(100.0, body),), 429, head, start=0.0, end_at=100.0))
    with proxy() as running:
        with streamed(running) as response:
            assert response.status_code == 429
            clock.wait_for_deadline()
        # By another request's answer the proxy has seen that the client left.
        assert httpx2.get(f"{running.url}/nobody").status_code == 404
        clock.jump(ms=100)
        assert running.wait_until_idle(10)
    (interaction,) = recorded(tmp_path)
    assert (interaction.response.body, interaction.response.stream.end) == (body, "complete")


def test_an_upstream_that_drops(proxy, upstream, tmp_path, reports):
    """A cut stream stays a cut stream: for the client, in the cassette, and when it is replayed."""
    upstream.default.push(untimed(FRAMES[0].data, end="dropped"))

    def read(running):
        with streamed(running) as response:
            pieces = response.iter_raw()
            assert next(pieces) == FRAMES[0].data
            with pytest.raises(httpx2.RemoteProtocolError):
                next(pieces)

    with proxy() as running:
        read(running)
    assert recorded(tmp_path)[0].response.stream.end == "dropped"
    with proxy("none") as running:
        read(running)


def test_an_upstream_that_falls_silent(proxy, upstream, clock, tmp_path):
    """A provider that sends nothing for `timeout` is recorded as timed out, and the client's stream is cut."""
    upstream.default.push(Tape(FRAMES, 200, SSE, end_at=500.0))
    with proxy(timeout=1.0) as running, streamed(running) as response, pytest.raises(httpx2.RemoteProtocolError):
        response.read()
    (interaction,) = recorded(tmp_path)
    assert interaction.response.stream.end == "timeout"


def test_requests_to_aws_are_signed_again(monkeypatch):
    """A request that was signed for the proxy is signed for AWS's own host, and only if it goes there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLANTED012345678")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    scope = b"AKIAOTHER/20261122/eu-west-1/bedrock/aws4_request"
    old = b"AWS4-HMAC-SHA256 Credential=" + scope + b", SignedHeaders=host, Signature=00"
    headers = [(b"content-type", b"application/json"), (b"authorization", old)]
    path = "/model/m%3A0/converse-stream"
    assert sign_again("POST", "http://127.0.0.1:1" + path, headers, b"{}") == headers
    signed = dict(sign_again("POST", "https://bedrock-runtime.eu-west-1.amazonaws.com" + path, headers, b"{}"))
    assert b"/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date" in signed[b"authorization"]
    assert signed[b"authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=AKIAPLANTED012345678/")


def test_modes(proxy, upstream, tmp_path, reports):
    """As in vcrpy: what is known replays, the rest is recorded (new_episodes), refused (none), or all is new."""
    for text in (b"first", b"second", b"third"):
        upstream.default.push(untimed(text))

    def post(running, text):
        with streamed(running, text) as response:
            return response.status_code, response.read()

    with proxy() as running:
        assert post(running, "one") == (200, b"first")
    with proxy() as running:
        assert post(running, "one") == (200, b"first")
        assert post(running, "two") == (200, b"second")
    assert [one.response.body for one in recorded(tmp_path)] == [b"first", b"second"]
    with proxy("none") as running:
        assert post(running, "two") == (200, b"second")
        status, received = post(running, "three")
    assert status == 409
    assert b"messages[0].content was" in received
    assert len(reports) == 1
    with proxy("all") as running:
        assert post(running, "one") == (200, b"third")
    assert sorted(one.response.body for one in recorded(tmp_path)) == [b"second", b"third"]


class Bodiless(QuietHandler):
    """Answers without a body, with the status that the path names."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        """The status in the path."""
        self.send_response(int(self.path[-3:]))
        self.send_header("etag", '"x"')
        if self.command == "HEAD":
            self.send_header("content-length", "7")
        self.end_headers()

    do_HEAD = do_GET = answer


@pytest.mark.parametrize(("method", "status", "length"), [("HEAD", 200, "7"), ("GET", 204, None), ("GET", 304, None)])
def test_responses_without_a_body(proxy, tmp_path, method, status, length):
    """They pass and replay as they are, with the length that a body would have had."""
    with serving(Bodiless) as server:
        for mode in ("new_episodes", "none"):
            with proxy(mode, url=server.url) as running:
                response = httpx2.request(method, f"{running.url}/openai/v1/{status}")
            assert (response.status_code, response.content) == (status, b"")
            assert (response.headers["etag"], response.headers.get("content-length")) == ('"x"', length)
    assert recorded(tmp_path)[0].response.stream.end == "complete"


def test_mode_once_adds_nothing(proxy, upstream, tmp_path):
    """A cassette that is there replays and gets no more; without one all is recorded."""
    upstream.default.push(untimed(b"first"))
    upstream.default.push(untimed(b"second"))
    with proxy("once") as running:
        for text, answer in (("one", b"first"), ("two", b"second")):
            with streamed(running, text) as response:
                assert response.read() == answer
    with proxy("once") as running:
        with streamed(running, "two") as response:
            assert response.read() == b"second"
        with streamed(running, "three") as response:
            assert response.status_code == 409
    assert len(recorded(tmp_path)) == 2
    assert len(upstream.default.journal.entries) == 2


class NotedClock(SteppedClock):
    """Notes until when was waited, and waits for nothing."""

    def __init__(self, clock):
        super().__init__(clock)
        self.waited = []

    async def wait_until_async(self, deadline):
        """Nothing to wait for."""
        self.waited.append(deadline - self.now())


@pytest.mark.parametrize(("speed", "factor"), [(None, None), (1.0, 1.0), (4.0, 0.25)])
def test_replay_in_recorded_time(proxy, upstream, clock, tmp_path, speed, factor):
    """With a speed the head, each chunk and the end wait for their recorded times; without one nothing waits."""
    clock.automatic = True
    upstream.default.push(Tape(FRAMES, 200, SSE, end_at=500.0))
    with proxy() as running, streamed(running) as response:
        response.read()
    stream = recorded(tmp_path)[0].response.stream
    noted = NotedClock(clock)
    with proxy("none", speed=speed, own_clock=noted) as running, streamed(running) as response:
        assert b"".join(response.iter_raw()) == BODY
    times = [stream.start, *(chunk.at for chunk in stream.chunks)]
    assert noted.waited == ([] if factor is None else [at * factor for at in times])


def test_parallel_requests_are_never_swapped(proxy, upstream, clock, tmp_path):
    """Answers that end in the reverse order are each its request's own, in the file in the order of the requests."""
    numbers = range(6)
    questions = [f"question {number}" for number in numbers]
    for number in numbers:
        upstream.default.push(
            Tape(
                (Frame(10.0, b"data: {}\n\n"), Frame(100.0 * (6 - number), b"data: %d\n\n" % number)),
                200,
                SSE,
                end_at=100.0 * (6 - number),
            )
        )
    with proxy() as running, ExitStack() as stack:
        responses = [stack.enter_context(_after(clock, streamed(running, text))) for text in questions]
        clock.jump(ms=10)
        for number in reversed(numbers):
            clock.jump(ms=100 if number < 5 else 90)
            assert responses[number].read() == b"data: {}\n\ndata: %d\n\n" % number
    found = recorded(tmp_path)
    assert [one.response.stream.seq for one in found] == list(numbers)
    assert [msgspec.json.decode(one.request.body)["messages"][0]["content"] for one in found] == questions
    assert [one.response.body[-3:-2] for one in found] == [b"%d" % number for number in numbers]
    with proxy("none") as running, ThreadPoolExecutor(6) as pool:

        def post(number):
            with streamed(running, questions[number]) as response:
                return response.read()

        order = [3, 0, 5, 1, 4, 2]
        assert list(pool.map(post, order)) == [b"data: {}\n\ndata: %d\n\n" % number for number in order]
    assert len(upstream.default.journal.entries) == 6


@contextmanager
def _after(clock, opening):
    """An open response, whose upstream waits for the time."""
    with opening as response:
        clock.wait_for_deadline()
        yield response


def test_parallel_requests_that_are_the_same(proxy, upstream, tmp_path):
    """The same request sent twice at once is recorded twice, and replays in that order."""
    for text in (b"first", b"second"):
        upstream.default.push(untimed(text))
    with proxy("all") as running, streamed(running) as one, streamed(running) as two:
        assert (two.read(), one.read()) == (b"second", b"first")
    with proxy("none") as running:
        for text in (b"first", b"second"):
            with streamed(running) as response:
                assert response.read() == text
        with streamed(running) as response:
            assert response.status_code == 409
            assert b"Played already" in response.read()


def test_headers_pass_untouched(proxy, upstream):
    """Each header of the response is at the client as it was sent: order, case of values, repeats; so are requests'."""
    given = (
        ("content-type", "text/event-stream; charset=UTF-8"),
        ("x-ratelimit-remaining", "7"),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
        ("server", "planted/1.0"),
        ("x-odd", "a,  b;c=\xe9"),
        ("cache-control", "no-cache"),
        ("date", "Sun, 22 Nov 2026 11:02:16 GMT"),
        ("etag", '"x"'),
        ("retry-after", "0"),
    )
    upstream.default.push(Tape((Frame(0.0, b"data: 1\n\n"),), 200, given))
    plain = {"host", "connection", "accept-encoding", "user-agent", "content-length", "accept", "content-type"}
    sent = {"x-title": "Demo", "anthropic-beta": "a,b", "cookie": "c=3", "accept-language": "el"}
    with proxy() as running, streamed(running, **sent) as response:
        response.read()
        kept = {"transfer-encoding", "connection"}
        assert [
            (name.decode(), value.decode("latin-1"))
            for name, value in response.headers.raw
            if name.decode() not in kept
        ] == list(given)
    (entry,) = upstream.default.journal.entries
    headers = dict(entry.headers)
    assert headers["host"] == upstream.url.removeprefix("http://")
    assert {
        name: value for name, value in headers.items() if name not in plain and name not in ("authorization", "cookie")
    } == {name: value for name, value in sent.items() if name != "cookie"}


def test_no_upstream(proxy, tmp_path):
    """An upstream that is down is a 502 that names it, and nothing is recorded."""
    with FakeProviderServer() as gone:
        url = gone.url
    with proxy(url=url) as running, streamed(running) as response:
        assert response.status_code == 502
        assert url in response.read().decode()
    assert not (tmp_path / "openai.yaml").exists()


def test_strangers_are_refused(proxy):
    """A request by another host name (a web page that rebinds its name) is refused; an unknown prefix is a 404."""
    with proxy() as running:
        with streamed(running, host="evil.example") as response:
            assert response.status_code == 403
        assert httpx2.get(f"{running.url}/nobody/v1/models").status_code == 404


def test_what_can_not_be_replayed(proxy, tmp_path):
    """An empty folder in mode none, a damaged cassette and a bad mode or upstream are errors before anything runs."""
    with pytest.raises(CassetteError, match="no cassettes here"), proxy("none"):
        raise AssertionError("not reached")
    (tmp_path / "openai.yaml").write_text("interactions: [")
    with pytest.raises(CassetteError, match=r"openai\.yaml"), proxy():
        raise AssertionError("not reached")
    with pytest.raises(UsageError, match="sometimes"):
        proxy("sometimes")
    with pytest.raises(UsageError, match="NAME=URL"):
        upstreams_of(["https://gateway.example"], {})


@pytest.mark.slow
def test_a_command(upstream, tmp_path):
    """A program with the openai SDK is recorded and replayed without the provider; its exit code is passed on."""
    upstream.default.push("Said once")
    code = (
        "import openai, sys\n"
        "with openai.OpenAI(max_retries=0) as client:\n"
        "    messages = [{'role': 'user', 'content': 'Hi'}]\n"
        "    chunks = client.chat.completions.create(model='m', messages=messages, stream=True)\n"
        "    print(''.join(chunk.choices[0].delta.content or '' for chunk in chunks if chunk.choices))\n"
        "sys.exit(3)\n"
    )

    def run(mode, **keys):
        options = ("--cassettes", str(tmp_path), "--mode", mode, "--upstream", f"openai={upstream.url}")
        command = record(*options, command=[sys.executable, "-c", code])
        return subprocess.run(command, env=environment(**keys), capture_output=True, text=True, check=False, timeout=60)

    live = run("new_episodes", OPENAI_API_KEY=KEY)
    assert (live.returncode, live.stdout.strip()) == (3, "Said once"), live.stderr
    assert KEY not in (tmp_path / "openai.yaml").read_text()
    again = run("none")
    assert (again.returncode, again.stdout.strip()) == (3, "Said once"), again.stderr
    assert len(upstream.default.journal.entries) == 1
