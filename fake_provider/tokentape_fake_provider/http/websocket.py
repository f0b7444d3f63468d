"""WebSockets: uvicorn's protocol for them serves a connection after its handshake; it needs the package websockets.

The server sends no pings of its own and answers the client's. All of uvicorn's private API for WebSockets is used here.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, Final

from tokentape_fake_provider.playback.connection import RawHeaders
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS

NOT_INSTALLED: Final = (
    "tokentape serves WebSockets only with its extra: pip install 'tokentape[websockets]'. Or let the client use HTTP."
)


def quiet_logger() -> logging.Logger:
    """A logger for connections that leaves out requests and frames, which hold secrets."""
    logger = logging.getLogger("tokentape_fake_provider.websocket")
    logger.setLevel(logging.WARNING)
    return logger


def is_handshake(method: bytes, headers: RawHeaders) -> bool:
    """Whether a request (names of headers in lower case) that offers an upgrade begins a WebSocket (RFC 6455, 4.1)."""
    found = dict(headers)
    return method == b"GET" and found.get(b"upgrade", b"").lower() == b"websocket" and b"sec-websocket-key" in found


def hand_over_websocket(protocol: Any, data: bytes) -> bool:
    """Let uvicorn serve the WebSocket whose handshake begins `data`; False if websockets is not installed."""
    make = _protocol()
    if make is None:
        return False
    taken = make(config=protocol.config, server_state=protocol.server_state, app_state=protocol.app_state)
    protocol.connections.discard(protocol)
    taken.connection_made(protocol.transport)
    protocol.transport.set_protocol(taken)
    taken.data_received(data)
    return True


@cache
def _protocol() -> Any:
    """The protocol's class; `None` if websockets is not installed. Its import takes 60 ms."""
    try:
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    except ImportError:
        return None

    class WebSocketProtocol(WebSocketsSansIOProtocol):
        """uvicorn's protocol, which also reports a connection that broke off, and lets the app break it off."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.logger = self.conn.logger = quiet_logger()
            self.conn.debug = False

        def handle_connect(self, event: Any) -> None:
            """Give the app the transport, too."""
            super().handle_connect(event)
            if self.response.status_code == SWITCHING_PROTOCOLS:
                self.scope["tokentape.transport"] = self.transport  # type: ignore[typeddict-unknown-key]

        async def send(self, message: Any) -> None:
            """Complete the handshake by a refusal, too: uvicorn logs an error of the app after one."""
            await super().send(message)
            if message["type"] == "websocket.http.response.body":
                self.handshake_complete = True

        def connection_lost(self, exc: Exception | None) -> None:
            """Report 1006 unless a close frame came before: uvicorn reports 1005, as for one without a code."""
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
            super().connection_lost(exc)

    return WebSocketProtocol
