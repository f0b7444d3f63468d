"""WebSockets through the recording proxy: relayed live, recorded frame by frame, replayed as they were."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from contextlib import ExitStack

import pytest
import yaml
from vcr import VCR
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import connect

from tests.harness.recording.proxy.test_recording_proxy import NotedClock, SteppedClock
from tests.harness.recording.proxy.tls import trusted
from tests.harness.recording.proxy.websocket_server import ScriptedServer
from tokentape_fake_provider.tape import WebSocketClose
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_harness import read_cassette
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of

KEY = "sk-proj-planted0123456789abcdefghij"


@pytest.fixture
def clock():
    """The time of the recording."""
    return ControlledClock()


@pytest.fixture
def reports():
    """The proxy's reports."""
    return []


@pytest.fixture
def proxy(tmp_path, clock, reports):
    """Starts proxies that record one upstream's WebSockets."""

    def make(upstream, mode="new_episodes", **options):
        url = upstream if isinstance(upstream, str) else upstream.url
        own = options.pop("own_clock", None) or SteppedClock(clock)
        upstreams = upstreams_of([f"openai={url}/v1"], {})
        return RecordingProxy(upstreams, tmp_path, mode=mode, clock=own, report=reports.append, **options)

    return make


def opened(running, path="/openai/v1/realtime?model=m", **options):
    """A client's connection through the proxy."""
    url = f"ws{running.url.removeprefix('http')}{path}"
    return connect(url, max_size=None, ping_interval=None, proxy=None, **options)


def recorded(tmp_path):
    """The interactions of the cassette."""
    return read_cassette(tmp_path / "openai.yaml").interactions


async def echo(connection):
    """Answer each message with itself, and the one `bye` with a close frame."""
    async for message in connection:
        if message == "bye":
            await connection.close(4001, "as asked")
        else:
            await connection.send(message)


def closed(client):
    """The close frame that the client received; `None` if the connection broke off."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=10)
    return caught.value.rcvd


MESSAGES = ["text", "{}", "", "snow ☃ line\nbreak \r\n NEL \x85 NUL \0", b"", b"\x00\xff\xfe", b'{"a": 1}\n']


def test_the_same_frames_again(proxy, tmp_path):
    """Text, binary and empty messages are the same to the client, in the cassette and when replayed."""

    def talk(running):
        with opened(running) as client:
            for message in MESSAGES:
                client.send(message)
                assert client.recv(timeout=10) == message
            client.send("bye")
            return closed(client)

    with ScriptedServer(echo) as server:
        with proxy(server) as running:
            assert talk(running) == Close(4001, "as asked")
        (interaction,) = recorded(tmp_path)
        assert interaction.request.uri == f"ws{server.url.removeprefix('http')}/v1/realtime?model=m"
        assert (interaction.request.method, interaction.response.status) == ("GET", 101)
        expected = [(side, one) for one in MESSAGES for side in ("client", "server")]
        assert [(frame.sender, frame.data) for frame in interaction.websocket.frames] == [*expected, ("client", "bye")]
        assert interaction.websocket.close == WebSocketClose("server", 4001, "as asked")
        assert interaction.response.stream.end == "complete"
        handshakes = len(server.handshakes)
        with proxy(server, "none") as running:
            assert talk(running) == Close(4001, "as asked")
        assert len(server.handshakes) == handshakes


@pytest.mark.slow
def test_large_messages(proxy, tmp_path):
    """Messages of 1 MB pass, are recorded and are replayed."""
    text, data = "x" * 2**20, b"\xff" * 2**20

    async def answer(connection):
        assert await connection.recv() == text
        await connection.send(data)
        await connection.wait_closed()

    with ScriptedServer(answer) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running, opened(running) as client:
                client.send(text)
                assert client.recv(timeout=60) == data
    assert [frame.data for frame in recorded(tmp_path)[0].websocket.frames] == [text, data]


def test_fragments_are_joined(proxy, tmp_path):
    """A message that arrives in fragments is forwarded and recorded as one."""

    async def fragments(connection):
        await connection.send(["a", "b", await connection.recv()])
        await connection.wait_closed()

    with ScriptedServer(fragments) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running, opened(running) as client:
                client.send(["c", "d"])
                assert client.recv(timeout=10) == "abcd"
    assert [frame.data for frame in recorded(tmp_path)[0].websocket.frames] == ["cd", "abcd"]


class PacedServer(ScriptedServer):
    """Says hello and answers each question twice, each time when the test lets it."""

    def __init__(self, clock):
        super().__init__(self._talk)
        self._clock = clock
        self._go, self._received = threading.Semaphore(0), threading.Semaphore(0)

    async def _talk(self, connection):
        await asyncio.to_thread(self._go.acquire)
        await connection.send("hello")
        async for _ in connection:
            self._received.release()
            for _ in range(2):
                await asyncio.to_thread(self._go.acquire)
                await connection.send("answer")

    def question(self, client):
        """Send a question, whose arrival is known on return."""
        client.send("question")
        self._received.acquire()

    def next(self, client, ms):
        """Receive a message that is sent so much later."""
        self._clock.jump(ms=ms)
        self._go.release()
        return client.recv(timeout=10)


def paced(server, running, clock):
    """A conversation whose frames are at 40, 540, 640, 740, 1240, 1340 and 1440 ms."""
    with opened(running) as client:
        server.next(client, 40)
        for _ in range(2):
            clock.jump(ms=500)
            server.question(client)
            server.next(client, 100)
            server.next(client, 100)


def test_times(proxy, tmp_path, clock):
    """A frame has the time at which it came, in ms since the handshake was requested."""
    with PacedServer(clock) as server, proxy(server) as running:
        paced(server, running, clock)
    websocket = recorded(tmp_path)[0].websocket
    sides = ["server", *["client", "server", "server"] * 2]
    assert [frame.sender for frame in websocket.frames] == sides
    assert [frame.at for frame in websocket.frames] == [40, 540, 640, 740, 1240, 1340, 1440]
    assert websocket.close == WebSocketClose("client", 1000)


@pytest.mark.parametrize("speed", [None, 1.0, 4.0])
def test_replay_in_recorded_time(proxy, clock, speed):
    """A frame of the server is as long after the client's frame before it as it was; at once without a speed."""
    with PacedServer(clock) as server:
        with proxy(server) as running:
            paced(server, running, clock)
        noted = NotedClock(clock)
        with proxy(server, "none", speed=speed, own_clock=noted) as running, opened(running) as client:
            received = [client.recv(timeout=10)]
            for _ in range(2):
                clock.jump(ms=7)
                client.send("question")
                received += [client.recv(timeout=10) for _ in range(2)]
    assert received == ["hello", *["answer"] * 4]
    waits = [0, 40, 100, 200, 100, 200]
    assert noted.waited == ([] if speed is None else [wait / speed for wait in waits])


def test_a_client_that_waits_for_nothing(proxy, tmp_path):
    """Frames that the client sends earlier than recorded count for the frames that wait for them."""
    with ScriptedServer(echo) as server:
        with proxy(server) as running, opened(running) as client:
            for message in "abc":
                client.send(message)
                assert client.recv(timeout=10) == message
        with proxy(server, "none") as running, opened(running) as client:
            for message in "abc":
                client.send(message)
            assert [client.recv(timeout=10) for _ in "abc"] == ["a", "b", "c"]


def test_another_message_than_recorded(proxy, reports):
    """A message that is not the recorded one closes the connection with 1008 and the field that differs."""
    with ScriptedServer(echo) as server:
        with proxy(server) as running, opened(running) as client:
            for message in ('{"type": "a"}', '{"type": "b", "input": "one"}'):
                client.send(message)
                client.recv(timeout=10)
        with proxy(server, "none") as running, opened(running) as client:
            client.send('{"type":"a"}')  # JSON is compared as JSON
            assert client.recv(timeout=10) == '{"type": "a"}'
            client.send('{"type": "b", "input": "two"}')
            close = closed(client)
    assert close.code == 1008
    assert close.reason.startswith('message 1 of the client: input was "one", now "two"')
    assert [report.startswith('message 1 of the client: input was "one", now "two"') for report in reports] == [True]


@pytest.mark.parametrize(("sent", "problem"), [(b"a", "was text, now binary"), ("a b", "body was b'a', now b'a b'")])
def test_messages_that_are_not_json(proxy, sent, problem):
    """Text that is not JSON, and the kind of a message, must be the recorded ones."""
    with ScriptedServer(echo) as server:
        with proxy(server) as running, opened(running) as client:
            client.send("a")
            client.recv(timeout=10)
        with proxy(server, "none") as running, opened(running) as client:
            client.send(sent)
            close = closed(client)
    assert close.code == 1008
    assert close.reason.startswith(f"message 0 of the client: {problem} (")


def test_more_messages_than_recorded(proxy):
    """A message after the end of the recording closes the connection."""
    with ScriptedServer(echo) as server:
        with proxy(server) as running, opened(running) as client:
            client.send("a")
            client.recv(timeout=10)
        with proxy(server, "none") as running, opened(running) as client:
            client.send("a")
            assert client.recv(timeout=10) == "a"
            client.send("b")
            assert closed(client).reason.startswith("message 1 of the client: the recording has no such message (")


def test_the_first_message_chooses_the_recording(proxy, tmp_path):
    """Of several recordings of one URL the one plays whose first message the client sends; in new_episodes others
    are recorded.
    """

    def talk(running, message):
        with opened(running) as client:
            client.send(message)
            return client.recv(timeout=10)

    with ScriptedServer(echo) as server:
        with proxy(server) as running:
            assert [talk(running, message) for message in ("one", "two")] == ["one", "two"]
        with proxy(server, "none") as running:
            assert [talk(running, message) for message in ("two", "one")] == ["two", "one"]
        with proxy(server) as running:
            assert [talk(running, message) for message in ("two", "three", "one")] == ["two", "three", "one"]
        assert len(server.handshakes) == 3
        assert [one.websocket.frames[0].data for one in recorded(tmp_path)] == ["one", "two", "three"]
        with proxy(server, "all") as running:
            assert talk(running, "one") == "one"
        assert len(server.handshakes) == 4


def test_the_same_conversation_at_once(proxy, tmp_path):
    """Two equal conversations that are open together play two recordings, not one twice."""
    numbers = itertools.count()

    async def count(connection):
        await connection.recv()
        await connection.send(str(next(numbers)))
        await connection.wait_closed()

    def talk(running):
        with opened(running) as one, opened(running) as two:
            received = []
            for client in (one, two):
                client.send("hi")
                received.append(client.recv(timeout=10))
            return received

    with ScriptedServer(count) as server:
        with proxy(server) as running:
            assert talk(running) == ["0", "1"]
        with proxy(server, "none") as running:
            assert talk(running) == ["0", "1"]
            with pytest.raises(InvalidStatus, match="426"):
                opened(running).__enter__()
    assert next(numbers) == 2


def test_the_server_breaks_off(proxy, tmp_path):
    """A connection that breaks off without a close frame does so for the client, in the cassette and on replay."""

    async def break_off(connection):
        await connection.recv()
        await connection.send("partial")
        connection.transport.abort()

    with ScriptedServer(break_off) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running, opened(running) as client:
                client.send("a")
                assert client.recv(timeout=10) == "partial"
                assert closed(client) is None
    stream = recorded(tmp_path)[0].response.stream
    assert (stream.end, stream.websocket.close) == ("dropped", None)
    assert stream.error.kind == "read_error"


def test_the_client_breaks_off(proxy, tmp_path):
    """A client that leaves without a close frame ends the upstream's connection in the same way."""
    seen = []

    async def watch(connection):
        await connection.send(await connection.recv())
        try:
            await connection.recv()
        except ConnectionClosed as error:
            seen.append(error.rcvd)

    with ScriptedServer(watch) as server:
        with proxy(server) as running:
            with opened(running) as client:
                client.send("a")
                client.recv(timeout=10)
                client.socket.shutdown(2)
            assert running.wait_until_idle(10)
        stream = recorded(tmp_path)[0].response.stream
        assert (stream.end, stream.websocket.close) == ("client_closed", None)
    assert seen == [None]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_the_client_closes(proxy, tmp_path, code):
    """The client's close frame reaches the upstream and the cassette, with its code and reason."""
    seen = []

    async def watch(connection):
        try:
            await connection.recv()
        except ConnectionClosed as error:
            seen.append(error.rcvd)

    with ScriptedServer(watch) as server, proxy(server) as running:
        with opened(running) as client:
            client.close(code, "done ☃")
        assert running.wait_until_idle(10)
    assert seen == [Close(code, "done ☃")]
    assert recorded(tmp_path)[0].websocket.close == WebSocketClose("client", code, "done ☃")


def test_a_close_frame_without_a_code(proxy, tmp_path):
    """The server's close frame without a code stays one."""

    async def close(connection):
        connection.protocol.send_close()
        connection.send_data()

    with ScriptedServer(close) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running, opened(running) as client:
                assert closed(client) == Close(1005, "")
    assert recorded(tmp_path)[0].websocket.close == WebSocketClose("server", 1005)


def test_the_proxy_stops(proxy, tmp_path):
    """A connection that is open when the proxy stops is recorded as such."""
    with ScriptedServer(echo) as server, ExitStack() as stack:
        with proxy(server) as running:
            client = stack.enter_context(opened(running))
            client.send("a")
            assert client.recv(timeout=10) == "a"
        assert closed(client) is None
    assert recorded(tmp_path)[0].response.stream.end == "open_at_exit"


def test_pings(proxy, tmp_path):
    """Pings of either side are answered by the proxy, and are not in the cassette."""

    async def ping(connection):
        await (await connection.ping())
        await connection.send("answered")
        await connection.wait_closed()

    with ScriptedServer(ping) as server, proxy(server) as running, opened(running) as client:
        assert client.recv(timeout=10) == "answered"
        assert client.ping().wait(10)
    assert [frame.data for frame in recorded(tmp_path)[0].websocket.frames] == ["answered"]


def test_headers_and_subprotocols(proxy, tmp_path):
    """Headers and subprotocols pass in both directions; headers of one connection alone are not recorded."""

    async def hold(connection):
        await connection.send("hello")
        await connection.wait_closed()

    def add(connection, request, response):
        response.headers["x-request-id"] = "r-1"

    with ScriptedServer(hold, subprotocols=["realtime"], process_response=add) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running:
                headers = {"authorization": f"Bearer {KEY}", "openai-beta": "realtime=v1"}
                offered = ["other", "realtime", f"openai-insecure-api-key.{KEY}"]
                with opened(running, additional_headers=headers, subprotocols=offered) as client:
                    assert client.recv(timeout=10) == "hello"
                    assert client.subprotocol == "realtime"
                    assert client.response.headers["x-request-id"] == "r-1"
        (handshake,) = server.handshakes
    assert handshake.headers["authorization"] == f"Bearer {KEY}"
    assert handshake.headers["openai-beta"] == "realtime=v1"
    assert handshake.headers["sec-websocket-protocol"] == f"other, realtime, openai-insecure-api-key.{KEY}"
    assert handshake.headers["host"] == server.url.removeprefix("http://")
    request = recorded(tmp_path)[0].request
    names = {name for name, _ in request.headers}
    assert names >= {"authorization", "openai-beta", "sec-websocket-protocol"}
    assert not names & {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "upgrade"}


def test_no_secrets(proxy, tmp_path):
    """Keys in the query, in headers, in a subprotocol and in frames, also spread over frames, are not in the file."""
    other = "sk-proj-Zq7Tn2Vb9Lk4Xw8Rm3Hs6Pd1Jf5Gc"
    third = "AIzaSyD-8Fh2Kd9Lq4Wm7Xz1Vb5Nt3Rc6Jp0Gs"

    async def leak(connection):
        await connection.recv()
        for part in (other[:12], other[12:20], other[20:]):
            await connection.send(f'{{"type": "response.output_text.delta", "item_id": "i", "delta": "{part}"}}')
        await connection.send(b'{"repeated": "%b",\n "more": 1}' % third.encode())
        await connection.close(4000, f"bad key {KEY}")

    def talk(running):
        path = f"/openai/v1/realtime?model=m&key={third}"
        offered = [f"openai-insecure-api-key.{KEY}"]
        with opened(running, path, subprotocols=offered, additional_headers={"api-key": third}) as client:
            client.send('{"type": "session.update", "client_secret": "hush-0123456789"}')
            return [client.recv(timeout=10) for _ in range(4)]

    with ScriptedServer(leak) as server:
        with proxy(server) as running:
            live = talk(running)
        assert other[12:20] in live[1]
        text = (tmp_path / "openai.yaml").read_text()
        for secret in (KEY, other, other[12:20], third, "hush-0123456789"):
            assert secret not in text
        assert len(recorded(tmp_path)[0].websocket.frames) == 5
        with proxy(server, "none") as running:
            assert len(talk(running)) == 4


def test_no_secrets_in_logs(proxy, caplog):
    """At no level is the query, a header or a frame of a WebSocket in the logs of this process."""
    with ScriptedServer(echo, logger=logging.getLogger("quiet")) as server:
        for mode in ("new_episodes", "none"):
            with caplog.at_level("DEBUG"), proxy(server, mode) as running:
                headers = {"authorization": f"Bearer {KEY}"}
                path = f"/openai/v1/realtime?key={KEY}"
                quiet = logging.getLogger("quiet")
                quiet.setLevel(logging.WARNING)
                with opened(running, path, additional_headers=headers, logger=quiet) as client:
                    client.send(f"my key is {KEY}")
                    client.recv(timeout=10)
    assert KEY not in caplog.text


def test_the_upstream_denies(proxy, tmp_path):
    """An upstream that answers the handshake with an error is recorded as that answer, and replayed."""

    def deny(connection, request):
        response = connection.respond(401, '{"error": {"message": "bad key"}}')
        response.headers["x-request-id"] = "r-2"
        return response

    with ScriptedServer(echo, process_request=deny) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running, pytest.raises(InvalidStatus) as caught:
                opened(running).__enter__()
            response = caught.value.response
            assert (response.status_code, response.headers["x-request-id"]) == (401, "r-2")
            assert response.body == b'{"error": {"message": "bad key"}}'
    (interaction,) = recorded(tmp_path)
    assert (interaction.response.status, interaction.websocket) == (401, None)


def test_an_upstream_with_tls(proxy, tmp_path, monkeypatch):
    """An upstream at https:// is asked by wss://, and trusted by the authorities that are for HTTP."""
    with ScriptedServer(echo, ssl=trusted(tmp_path, monkeypatch)) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running, opened(running) as client:
                client.send("a")
                assert client.recv(timeout=10) == "a"
    assert recorded(tmp_path)[0].request.uri == f"wss://127.0.0.1:{server.port}/v1/realtime?model=m"


def test_no_upstream(proxy, tmp_path, reports):
    """An upstream that is down is a 502 that names it, and nothing is recorded."""
    with ScriptedServer(echo) as server:
        url = server.url
    with proxy(url) as running, pytest.raises(InvalidStatus) as caught:
        opened(running).__enter__()
    assert caught.value.response.status_code == 502
    assert url in caught.value.response.body.decode()
    assert len(reports) == 1
    assert not (tmp_path / "openai.yaml").exists()


def test_no_recording(proxy, tmp_path, reports):
    """In mode none a handshake without a recording is a 426, by which clients use HTTP if they can; nothing is sent."""
    with ScriptedServer(echo) as server:
        with proxy(server) as running, opened(running) as client:
            client.send("bye")
            closed(client)
        with proxy(server, "none") as running, pytest.raises(InvalidStatus) as caught:
            opened(running, "/openai/v1/responses").__enter__()
        assert len(server.handshakes) == 1
    assert caught.value.response.status_code == 426
    assert "No recording" in reports[0] or "Nearest recording" in reports[0]


def test_strangers_are_refused(proxy):
    """A web page of another origin opens no WebSocket, nor does another host name."""
    with ScriptedServer(echo) as server, proxy(server) as running:
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
            with pytest.raises(InvalidStatus) as caught:
                opened(running, additional_headers=headers).__enter__()
            assert caught.value.response.status_code == 403
        assert server.handshakes == []


def test_only_own_clients_are_signed_for(proxy, tmp_path, reports):
    """A handshake signed for AWS is refused unless its client knows the run's address, and is not recorded."""
    scope = "AKIAOTHER/20261122/eu-west-1/transcribe/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"
    with (
        proxy("https://transcribestreaming.eu-west-1.amazonaws.com") as running,
        pytest.raises(InvalidStatus) as caught,
    ):
        opened(running, additional_headers={"authorization": signature}).__enter__()
    assert caught.value.response.status_code == 403
    assert not (tmp_path / "openai.yaml").exists()


def test_plain_vcrpy_loads_it(proxy, tmp_path):
    """Plain vcrpy loads and saves the file without a loss, and answers no request of HTTP from it."""
    with ScriptedServer(echo) as server, proxy(server) as running, opened(running) as client:
        client.send(b"\x00\xff")
        client.recv(timeout=10)
    path = tmp_path / "openai.yaml"
    before = recorded(tmp_path)
    with VCR(record_mode="new_episodes").use_cassette(str(path)) as cassette:
        assert not any(request.uri.startswith("http") for request in cassette.requests)
        cassette.dirty = True
    assert recorded(tmp_path) == before
    assert yaml.safe_load(path.read_text())["interactions"][0]["response"]["stream"]["frames"][0]["base64"] == "AP8="


def test_aiohttp(proxy, tmp_path):
    """aiohttp's client is recorded and replayed."""
    import aiohttp

    async def talk(url):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/openai/v1/x") as client:
            await client.send_str("a")
            await client.send_bytes(b"\xff")
            return [(await client.receive()).data for _ in range(2)]

    with ScriptedServer(echo) as server:
        for mode in ("new_episodes", "none"):
            with proxy(server, mode) as running:
                assert asyncio.run(talk(running.url)) == ["a", b"\xff"]
    assert sorted((frame.sender, frame.raw) for frame in recorded(tmp_path)[0].websocket.frames) == [
        ("client", b"a"),
        ("client", b"\xff"),
        ("server", b"a"),
        ("server", b"\xff"),
    ]
