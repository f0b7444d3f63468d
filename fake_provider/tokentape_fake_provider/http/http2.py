"""HTTP/2 without TLS, which the AWS SDK for JavaScript uses by default ("prior knowledge", RFC 9113 section 3.3).

With tokentape[http2] hypercorn serves the connection; a fault that cuts or resets the connection then ends all of its
requests. Without it the response to the first request explains how to install it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from typing import Any, Final

import msgspec

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_MESSAGE: Final = (
    "tokentape serves HTTP/2 only with its extra: pip install 'tokentape[http2]'. Or let the client use HTTP/1.1: "
    "for the AWS SDK for JavaScript give its client requestHandler: new NodeHttpHandler() (@smithy/node-http-handler)."
)
# RFC 9113 section 6; the error code HTTP_1_1_REQUIRED is from section 7.
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0x0, 0x1, 0x4, 0x7
_ACK, _END_STREAM, _END_HEADERS = 0x1, 0x1, 0x4
_HTTP_1_1_REQUIRED: Final = 0xD


def hand_over(protocol: Any, data: bytes) -> bool:
    """Let hypercorn serve the connection of a uvicorn protocol that received `data`; False if it is not installed."""
    try:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.asyncio.tcp_server import TCPServer
        from hypercorn.asyncio.worker_context import WorkerContext
        from hypercorn.config import Config
    except ImportError:
        return False
    loop, transport, server = protocol.loop, protocol.transport, protocol.server_state
    config = Config()
    config.errorlog = None
    config.include_server_header = config.include_date_header = False
    reader = asyncio.StreamReader(loop=loop)
    streams = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(streams)
    streams.connection_made(transport)
    reader.feed_data(data)
    writer = asyncio.StreamWriter(transport, streams, reader, loop)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await protocol.app({**scope, "tokentape.transport": transport}, receive, send)

    async def serve() -> None:
        try:
            await TCPServer(ASGIWrapper(app), loop, config, WorkerContext(None), {}, reader, writer).run()
        finally:
            server.connections.discard(protocol)

    task = loop.create_task(serve())
    server.tasks.add(task)
    task.add_done_callback(server.tasks.discard)
    return True


class Http2Refusal:
    """A connection whose first request gets the error that HTTP/2 is not served."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._unread = bytearray()
        self._answered = False
        transport.write(_frame(_SETTINGS, 0, 0, b""))

    def receive(self, data: bytes) -> None:
        """Read bytes from the client, starting with the preface."""
        if self._answered:
            return
        self._unread += data
        for kind, stream in self._frames():
            if kind == _HEADERS:
                self._answer(stream)
                return

    def _frames(self) -> Iterator[tuple[int, int]]:
        """Yield the type and the stream of each frame that is complete."""
        at = len(PREFACE)
        while len(self._unread) >= at + 9:
            size = int.from_bytes(self._unread[at : at + 3], "big")
            if len(self._unread) < at + 9 + size:
                return
            yield self._unread[at + 3], int.from_bytes(self._unread[at + 5 : at + 9], "big") & 0x7FFF_FFFF
            at += 9 + size

    def _answer(self, stream: int) -> None:
        self._answered = True
        error = {"type": "http_version_not_supported", "code": 505, "message": _MESSAGE}
        body = msgspec.json.encode({"type": "error", "error": error, "message": _MESSAGE})
        # RFC 7541 section 6.2.2, with the static table's names :status (8) and content-type (31).
        fields = b"\x08" + _string(b"505") + b"\x0f\x10" + _string(b"application/json")
        goaway = struct.pack(">II", stream, _HTTP_1_1_REQUIRED) + _MESSAGE.encode()
        self._transport.write(
            _frame(_SETTINGS, _ACK, 0, b"")
            + _frame(_HEADERS, _END_HEADERS, stream, fields)
            + _frame(_DATA, _END_STREAM, stream, body)
            + _frame(_GOAWAY, 0, 0, goaway)
        )
        # Further bytes from the client are discarded: it closes the connection after the response.
        asyncio.get_running_loop().call_later(2.0, self._transport.close)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _string(value: bytes) -> bytes:
    return bytes((len(value),)) + value
