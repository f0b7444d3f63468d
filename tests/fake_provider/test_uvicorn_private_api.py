"""The private API of uvicorn that the fake provider uses is there, in the versions that the metadata allows.

Seen to hold on uvicorn 0.50.0 and 0.54.0. Without it a response that is cut off would end as a complete one.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http import h11_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

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
