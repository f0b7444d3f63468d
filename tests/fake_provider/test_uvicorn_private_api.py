"""The private API of uvicorn that the fake provider uses is there, in the versions that the metadata allows.

Seen to hold on uvicorn 0.50.0 and 0.54.0. Without it a response that is cut off would end as a complete one.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.protocols.http import h11_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from tokentape_fake_provider.playback.connection import Connection
from tokentape_fake_provider.playback.journal import Entry, Outcome
from tokentape_fake_provider.playback.player import play, step_control
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing.clock import ControlledClock

httptools_impl = pytest.importorskip("uvicorn.protocols.http.httptools_impl")


def assigned(kind: type[Any]) -> set[str]:
    """The attributes that a class assigns to its instances when they are created."""
    return {name for name in kind.__init__.__code__.co_names if f"self.{name}" in inspect.getsource(kind.__init__)}


@pytest.mark.parametrize("module", [h11_impl, httptools_impl], ids=["h11", "httptools"])
def test_a_request_cycle_has_what_a_connection_reads(module: Any) -> None:
    """A request cycle has its transport, its flow control and whether the client left, and `send` is its method."""
    cycle = module.RequestResponseCycle
    assert {"transport", "flow", "disconnected", "scope", "response_complete", "more_body"} <= assigned(cycle)
    assert inspect.iscoroutinefunction(cycle.send)
    assert "write_paused" in assigned(FlowControl)


def test_only_httptools_chooses_chunked_coding_itself() -> None:
    """The cycle of httptools, and not that of h11, has the two attributes that end a body for HTTP/1.0 clients."""
    ours = {"chunked_encoding", "expected_content_length"}
    assert ours <= assigned(httptools_impl.RequestResponseCycle)
    assert not ours & assigned(h11_impl.RequestResponseCycle)


def test_a_cycle_of_httptools_has_what_a_whole_response_sets() -> None:
    """The cycle of httptools has the attributes that are read and set where a response is sent in one write."""
    read = {"response_started", "keep_alive", "access_log", "default_headers", "on_response", "message_event"}
    assert read | {"waiting_for_100_continue"} <= assigned(httptools_impl.RequestResponseCycle)


def new_cycle() -> tuple[Any, Any, list[bytes]]:
    """A request cycle of httptools, what it calls at its end, and what it has written."""
    written: list[bytes] = []
    transport = Mock(write=written.append)
    ended = Mock()
    cycle = httptools_impl.RequestResponseCycle(
        scope={"method": "POST", "http_version": "1.1", "headers": []},
        transport=transport,
        flow=FlowControl(transport),
        logger=Mock(),
        access_logger=Mock(),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=ended,
    )
    return cycle, ended, written


@pytest.mark.parametrize("headers", [[], [("X-a", "b"), ("content-type", "text/event-stream"), ("te", "x")]])
@pytest.mark.parametrize("status", [200, 429, 599])
@pytest.mark.parametrize("body", [b"", b"data: 1\n\n"])
def test_a_whole_response_is_what_uvicorn_sends(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """In one write are the bytes that uvicorn sends in two, and the cycle ends in the same state."""

    cycle, ended, written = new_cycle()
    assert Connection(cycle.receive, cycle.send, cycle.scope).send_whole(status, headers, body)
    sent = [(name.lower().encode(), value.encode()) for name, value in headers if name != "te"]  # it is hop-by-hop
    other, other_ended, expected = new_cycle()

    async def send() -> None:
        await other.send({"type": "http.response.start", "status": status, "headers": sent})
        await other.send({"type": "http.response.body", "body": body, "more_body": False})

    asyncio.run(send())
    assert written == [b"".join(expected)]
    state = ("response_started", "response_complete", "chunked_encoding", "waiting_for_100_continue", "keep_alive")
    assert [getattr(cycle, name) for name in state] == [getattr(other, name) for name in state]
    assert cycle.message_event.is_set()
    assert ended.call_count == other_ended.call_count == 1


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"12")]])
def test_a_frame_is_what_uvicorn_sends(headers: list[tuple[bytes, bytes]]) -> None:
    """A part of a body has the bytes that uvicorn's `send` writes, and nothing is sent to a client that left."""
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    (cycle, _, written), (other, _, expected) = new_cycle(), new_cycle()

    async def send() -> None:
        await cycle.send(start)
        await other.send(start)
        connection = Connection(cycle.receive, cycle.send, cycle.scope)
        for part in (b"data: 1\n\n", b""):
            assert connection.write(part) is None
            await other.send({"type": "http.response.body", "body": part, "more_body": True})
        cycle.disconnected = True
        assert connection.write(b"x") is None

    asyncio.run(send())
    assert b"".join(written) == b"".join(expected)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("last", [0, 1])
def test_a_client_that_leaves_once_it_has_a_frame(last: int, turns: int) -> None:
    """The frame was sent, whenever the server learns that the client left; it has all if it was the last one."""
    cycle, _, _ = new_cycle()
    tape = Tape((Frame(0.0, b"data: 0\n\n"), Frame(1.0, b"data: 1\n\n")), headers=(("content-type", "text/plain"),))

    def leave(turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(leave, turns - 1)
        else:
            cycle.disconnected = True
            cycle.message_event.set()

    def write(data: bytes) -> None:
        if b"data: %d" % last in data:
            leave(turns)

    cycle.transport = Mock(write=write, is_closing=lambda: cycle.disconnected)
    cycle.more_body = False
    entry = Entry(session="", time=0.0, method="POST", path="/", query="", raw_headers=(), raw_body=b"", wire=None)

    async def run() -> Outcome:
        connection, clock = Connection(cycle.receive, cycle.send, cycle.scope), ControlledClock(automatic=True)
        return await play(tape, connection, clock, clock.now(), entry, step_control(tape))

    assert asyncio.run(run()) == ("client_left", "complete")[last]
    assert len(entry.left) == last + 1


def test_no_frame_is_sent_into_a_closing_connection() -> None:
    """The event loop closes it as soon as it reads that the client left, turns before it notifies uvicorn."""
    cycle, _, _ = new_cycle()
    tape = Tape((Frame(0.0, b"data: 0\n\n"), Frame(1.0, b"data: 1\n\n")), headers=(("content-type", "text/plain"),))
    written: list[bytes] = []
    cycle.transport = Mock(write=written.append, is_closing=lambda: b"data: 0" in b"".join(written))
    cycle.more_body = False
    entry = Entry(session="", time=0.0, method="POST", path="/", query="", raw_headers=(), raw_body=b"", wire=None)

    async def run() -> Outcome:
        connection, clock = Connection(cycle.receive, cycle.send, cycle.scope), ControlledClock(automatic=True)
        return await play(tape, connection, clock, clock.now(), entry, step_control(tape))

    assert asyncio.run(run()) == "client_left"
    assert b"data: 1" not in b"".join(written)


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ({"keep_alive": False}, []),
        ({"scope": {"method": "HEAD"}}, []),
        ({"disconnected": True}, []),
        ({"response_started": True}, []),
        ({"chunked_encoding": False}, []),
        ({}, [("content-length", "1")]),
        ({}, [("a b", "c")]),
        ({}, [("a", "b\r\nc: d")]),
    ],
)
def test_other_responses_are_left_to_uvicorn(change: dict[str, Any], headers: list[tuple[str, str]]) -> None:
    """Where uvicorn would do anything else, or refuse a header, nothing is written."""
    transport = Mock()
    fields = {"scope": {"method": "POST"}, "chunked_encoding": None, "keep_alive": True, "disconnected": False}
    fields |= {"response_started": False, "access_log": False, "default_headers": [], "flow": FlowControl(transport)}
    cycle = Mock(transport=transport, **(fields | change))
    connection = Connection(cycle.receive, cycle.send, {"headers": []})
    connection._cycle = cycle
    assert not connection.send_whole(200, headers, b"x")
    transport.write.assert_not_called()


def test_a_protocol_has_what_limits_and_refusals_use() -> None:
    """The protocols have the methods and attributes that heads are limited, refused and parsed again with."""
    for protocol in (h11_impl.H11Protocol, httptools_impl.HttpToolsProtocol):
        assert {"access_log", "logger", "server_state", "transport", "loop", "cycle", "headers"} <= assigned(protocol)
        assert callable(protocol.send_400_response)
    methods = ("_unset_keepalive_if_required", "on_message_begin", "on_headers_complete", "on_body")
    assert all(callable(getattr(httptools_impl.HttpToolsProtocol, name)) for name in methods)


def test_a_server_has_what_a_prompt_stop_uses() -> None:
    """The server has the two coroutines that are overridden, and its state the connections and tasks."""
    assert inspect.iscoroutinefunction(uvicorn.Server.main_loop)
    assert inspect.iscoroutinefunction(uvicorn.Server.shutdown)
    assert {"connections", "tasks"} <= assigned(ServerState)


def test_a_websocket_has_what_its_end_and_refusals_use() -> None:
    """The protocol of WebSockets has the methods and attributes with which it reports how one ended."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol as Protocol

    assert {"queue", "handshake_complete", "transport"} <= assigned(Protocol)
    assert inspect.iscoroutinefunction(Protocol.send)
    assert all(callable(getattr(Protocol, name)) for name in ("handle_connect", "connection_lost", "data_received"))
    assert {"response", "scope"} <= set(Protocol.handle_connect.__code__.co_names)
