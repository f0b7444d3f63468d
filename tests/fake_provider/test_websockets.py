"""Recorded WebSockets that the fake provider plays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.recording import WEBSOCKET, Recording
from tokentape_fake_provider.tape import WebSocket, WebSocketClose, WebSocketFrame, WebSocketTape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock

PATH = "/v1/responses"


def recording(*frames: tuple[float, str, str | bytes], path: str = PATH, **options: Any) -> Recording:
    """A recording of these frames (ms, sender, data)."""
    close = options.pop("close", None)
    websocket = WebSocket(tuple(WebSocketFrame(*frame) for frame in frames), close)  # type: ignore[arg-type]
    tape = WebSocketTape((), 101, start=10.0, websocket=websocket, **options)
    wire = "openai_responses" if path == PATH else None
    return Recording(tape, path, method=WEBSOCKET, wire=wire, source="x.yaml")


TURNS = recording(
    (20.0, "client", '{"type": "response.create", "input": "one"}'),
    (120.0, "server", "1a"),
    (220.0, "server", b"\xff"),
    (900.0, "client", '{"type": "response.create", "input": "two"}'),
    (950.0, "server", "2a"),
    close=WebSocketClose("server", 1001, "bye"),
    end_at=1000.0,
)


@pytest.fixture
def clock() -> ControlledClock:
    """The server's time."""
    return ControlledClock()


@pytest.fixture
def server(clock: ControlledClock) -> Iterator[FakeProviderServer]:
    """A fake provider with that time."""
    with FakeProviderServer(clock=clock) as running:
        yield running


def opened(server: FakeProviderServer, path: str = PATH, **options: Any) -> ClientConnection:
    """A client's connection."""
    return connect(f"ws{server.url.removeprefix('http')}{path}", proxy=None, ping_interval=None, **options)


def closed(client: ClientConnection) -> Close | None:
    """The close frame that the client received; `None` if the connection broke off."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=10)
    return caught.value.rcvd


def test_it_is_played_live(server: FakeProviderServer) -> None:
    """Each frame of the server follows the client's frame before it, and the recorded close frame ends it."""
    server.default.add_recordings([TURNS])
    with opened(server) as client:
        client.send('{"input": "one", "type": "response.create", "prompt_cache_key": "other"}')
        assert [client.recv(timeout=10), client.recv(timeout=10)] == ["1a", b"\xff"]
        client.send('{"type": "response.create", "input": "two"}')
        assert client.recv(timeout=10) == "2a"
        assert closed(client) == Close(1001, "bye")
    (entry,) = server.default.journal.wait()
    assert (entry.method, entry.status, entry.answered_by, entry.source) == ("GET", 101, "recording", "x.yaml")
    assert (entry.outcome, entry.frames_sent, entry.frames_planned, entry.bytes_sent) == ("complete", 3, 3, 5)
    assert [frame.data for frame in entry.planned] == [b"1a", b"\xff", b"2a"]
    assert server.default.unplayed.empty


def test_nothing_is_sent_before_its_turn(server: FakeProviderServer) -> None:
    """A frame of the server waits for all frames of the client before it, also without recorded times."""
    server.default.add_recordings([TURNS])
    with opened(server) as client:
        sent = []
        for number, message in ((1, "one"), (2, "two")):
            # The server answers a ping after what it had to send.
            assert client.ping().wait(10)
            sent.append(server.default.journal.entries[0].frames_sent)
            client.send(f'{{"type": "response.create", "input": "{message}"}}')
            for _ in range(3 - number):
                client.recv(timeout=10)
    assert sent == [0, 2]


def test_recorded_times(server: FakeProviderServer, clock: ControlledClock) -> None:
    """With recorded timing a frame is as long after the client's frame before it as it was, at the chosen speed."""
    server.default.configure(timing=Recorded(speed=2.0))
    server.default.add_recordings([TURNS])
    clock.jump(ms=1000)
    # The client's threads send while the test moves the time.
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(lambda: opened(server).__enter__())
        assert clock.wait_for_deadline() == 1005
        clock.advance(ms=5)
        client = opening.result(10)
        client.send('{"type": "response.create", "input": "one"}')
        assert clock.wait_for_deadline() == 1055
        clock.advance(ms=50)
        assert client.recv(timeout=10) == "1a"
        assert clock.wait_for_deadline() == 1105
        clock.advance(ms=1000)
        assert client.recv(timeout=10) == b"\xff"
        client.send('{"type": "response.create", "input": "two"}')
        assert clock.wait_for_deadline() == 2080
        clock.advance(ms=25)
        assert client.recv(timeout=10) == "2a"
        clock.wait_for_deadline()
        clock.advance(ms=25)
        assert closed(client) == Close(1001, "bye")
        client.close()
    (entry,) = server.default.journal.wait()
    assert list(entry.due) == [55, 105, 1080]


def test_another_message(server: FakeProviderServer) -> None:
    """A message that is not the recorded one closes with 1008, and the journal has the reason."""
    server.default.add_recordings([TURNS])
    with opened(server) as client:
        client.send('{"type": "response.create", "input": "three"}')
        assert closed(client) == Close(1008, 'message 0 of the client: input was "one", now "three"')
    (entry,) = server.default.journal.wait()
    assert (entry.answered_by, entry.outcome) == ("error", "dropped")
    assert entry.note == 'message 0 of the client: input was "one", now "three" (x.yaml)'
    assert not server.default.unplayed.empty


def test_a_client_that_leaves(server: FakeProviderServer) -> None:
    """A client that leaves before the end is in the journal."""
    server.default.add_recordings([TURNS])
    with opened(server) as client:
        client.send('{"type": "response.create", "input": "one"}')
        assert client.recv(timeout=10) == "1a"
    (entry,) = server.default.journal.wait()
    assert entry.outcome == "client_left"


def test_repeated(server: FakeProviderServer) -> None:
    """A recording plays once, or with `repeat` again and again; others of the same path by their first message."""
    other = recording((0.0, "client", "b"), (0.0, "server", "B"))
    server.default.add_recordings([recording((0.0, "client", "a"), (0.0, "server", "A")), other])

    def talk(message: str) -> Any:
        with opened(server) as client:
            client.send(message)
            return client.recv(timeout=10)

    assert talk("b") == "B"
    with opened(server) as client:
        client.send("b")
        close = closed(client)
        assert close is not None
        assert close.code == 1008
    server.default.configure(repeat=True)
    assert [talk(message) for message in ("a", "b", "b", "a")] == ["A", "B", "B", "A"]


def test_no_recording(server: FakeProviderServer) -> None:
    """Without a recording the handshake is refused with 426, by which clients such as Codex use HTTP at once."""
    server.default.add_recordings([recording(path="/v1/realtime")])
    with pytest.raises(InvalidStatus) as caught:
        opened(server).__enter__()
    assert caught.value.response.status_code == 426
    assert b"No recorded WebSocket answers GET /v1/responses" in caught.value.response.body
    (entry,) = server.default.journal.wait()
    assert (entry.status, entry.answered_by) == (426, "error")


def test_requests_of_http_get_no_websocket(server: FakeProviderServer) -> None:
    """A recorded WebSocket answers no GET and no POST of its path."""
    import httpx2

    server.default.configure(strict=True)
    server.default.add_recordings([recording(path="/v1/realtime")])
    for method in ("GET", "POST"):
        assert httpx2.request(method, f"{server.url}/v1/realtime").status_code == 501


def test_other_origins_and_sessions(server: FakeProviderServer) -> None:
    """A web page of another origin opens no WebSocket, and an unknown session has none."""
    server.default.add_recordings([TURNS])
    for path, headers, status in (
        (PATH, {"origin": "https://evil.example"}, 403),
        (f"/s/nobody{PATH}", {}, 404),
    ):
        with pytest.raises(InvalidStatus) as caught:
            opened(server, path, additional_headers=headers).__enter__()
        assert caught.value.response.status_code == status
    assert not server.default.journal.entries


def test_the_server_stops(clock: ControlledClock) -> None:
    """A server that stops breaks its WebSockets off."""
    server = FakeProviderServer(clock=clock)
    with server:
        server.default.add_recordings([TURNS])
        with opened(server) as client:
            client.send('{"type": "response.create", "input": "one"}')
            assert client.recv(timeout=10) == "1a"
            assert client.recv(timeout=10) == b"\xff"
            server.stop()
            assert closed(client) is None
    assert server.default.journal.entries[0].outcome == "server_stopped"
