"""Cuts a response off and notices that a client left, by uvicorn's request cycle, because ASGI offers neither.

An ASGI app can't cut a response off: if it returns before the last body message, the server logs an error of the app.
And it learns that the client left only by waiting for that. Under other ASGI servers, the server decides how a
response that is cut off ends. All of uvicorn's private API that the fake provider uses is used here, except what
`http/http_protocol.py` overrides.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from itertools import starmap
from typing import Any, Final, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

HOP_BY_HOP: Final = frozenset(
    ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade")
)
"""The headers that apply to one connection (RFC 9110, 7.6.1), in lower case."""

# The time in s that a client has to read what was sent before the connection is cut off.
_FLUSH_S = 5.0


# What no name and no value of a header may have (RFC 9110, 5.6.2, 5.5).
_NAME: Final = re.compile(r'[\x00-\x20\x7f()<>@,;:\[\]={}\\"]')
_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    phrase = next((one.phrase for one in HTTPStatus if one == status), "")
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase.encode())


@lru_cache(maxsize=256)
def _header_line(name: str, value: str) -> bytes | None:
    """Return a header as a line, empty for a hop-by-hop one; `None` for a length, and for one that is not valid."""
    name = name.lower()
    if name in HOP_BY_HOP:
        return b""
    if name == "content-length" or _NAME.search(name) or not (value.isprintable() or _VALUE.search(value) is None):
        return None
    return f"{name}: {value}\r\n".encode("latin-1", "replace")


class Connection:
    """The connection of one request, over which its response is sent."""

    __slots__ = ("_cycle", "_left", "_shared", "ended", "headers", "is_http2", "receive", "send")

    def __init__(self, receive: Receive, send: Send, scope: Message) -> None:
        self.receive = receive
        self.send = send
        self.headers: RawHeaders = scope.get("headers", [])
        self._shared = scope.get("tokentape.transport")
        self.is_http2 = scope.get("http_version") == "2"
        self._left = False
        self.ended = False
        """Set by an app before it ends the response; without uvicorn's cycle `gone` would be true after that."""
        # uvicorn's `send` is a method of its request cycle (h11 and httptools alike).
        cycle: Any = getattr(send, "__self__", None)
        if not hasattr(cycle, "flow"):
            cycle = None
        self._cycle = cycle
        # With httptools, uvicorn sends chunks to clients of HTTP/1.0 too, which RFC 9112 section 6.1 forbids; with h11
        # (which has no such attribute) it does not.
        if getattr(cycle, "chunked_encoding", False) is None and cycle.scope["http_version"] == "1.0":
            cycle.chunked_encoding = False
            cycle.expected_content_length = _UntilClosed()

    @property
    def body_arrived(self) -> bool:
        """Whether all of the request's body is here, before it is read."""
        return getattr(self._cycle, "more_body", True) is False

    @property
    def gone(self) -> bool:
        """Whether the server has noticed that the client left."""
        return self._left and not self.ended if self._cycle is None else bool(self._cycle.disconnected)

    @property
    def closing(self) -> bool:
        """Whether the connection is closed, or soon: the loop reads that a client left before it notifies uvicorn."""
        transport = self._transport
        return self.gone or (transport is not None and transport.is_closing())

    def write(self, data: bytes) -> asyncio.Future[None] | None:
        """Send a part of the body; return `None` if it is already sent, as nearly always.

        A chunk is written as httptools' cycle writes it. uvicorn's `send` waits only if the client reads too slowly, so
        otherwise it is run to its end here: a task per frame would cost more than the frame.
        """
        cycle = self._cycle
        free = cycle is not None and not cycle.flow.write_paused
        if free and data and getattr(cycle, "chunked_encoding", False) and not cycle.response_complete:
            if not cycle.disconnected:
                cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            return None
        sending = self.send({"type": "http.response.body", "body": data, "more_body": True})
        if not free or not asyncio.iscoroutine(sending):
            return asyncio.ensure_future(sending)
        try:
            sending.send(None)
        except StopIteration:
            return None
        raise AssertionError("uvicorn's send waited for something other than its client")

    def send_whole(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bool:
        """Send a whole response in one write, as uvicorn sends it in two; return False if that is not possible.

        Only a response without a length of its own, over HTTP/1.1 with httptools, on a connection that stays open.
        """
        cycle = self._cycle
        if getattr(cycle, "chunked_encoding", False) is not None or status in (204, 304):
            return False
        if cycle.scope["method"] == "HEAD" or cycle.access_log or cycle.default_headers or not cycle.keep_alive:
            return False
        if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
            return False
        lines: list[Any] = [_status_line(status), *starmap(_header_line, headers)]
        if None in lines:
            return False
        chunk = (b"%x\r\n" % len(body), body, b"\r\n") if body else ()
        cycle.transport.write(b"".join((*lines, b"transfer-encoding: chunked\r\n\r\n", *chunk, b"0\r\n\r\n")))
        cycle.response_started = cycle.response_complete = cycle.chunked_encoding = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        cycle.on_response()
        return True

    async def broke(self) -> bool:
        """Wait until there is room for more, and return whether the connection broke before all was sent.

        uvloop makes room when a write fails, before it reports that the connection is lost.
        """
        if self._cycle is not None and self._cycle.flow.write_paused:
            await self.send({"type": "http.response.body", "body": b"", "more_body": True})
        return self.closing

    async def wait_gone(self) -> None:
        """Return when the client has left, or the response is complete. The request must have been read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self._left = True

    async def cut(self) -> None:
        """Send what was written, then close: the client receives an unfinished body."""
        transport = self._transport
        if transport is None:
            return
        transport.close()
        try:
            await asyncio.wait_for(self.wait_gone(), _FLUSH_S)
        except TimeoutError:
            transport.abort()
            await self.wait_gone()

    async def reset(self) -> None:
        """Send what was written, then reset the connection: the client receives all of it, and then an error."""
        transport = self._transport
        if transport is None:
            return
        opened = transport.get_extra_info("socket")
        alias = None if opened is None else _alias(opened)
        if alias is not None:
            with alias:
                await self._drain(transport, alias)
                with suppress(OSError):
                    # socket(7): closing a socket that lingers for 0 s discards what was not sent, and resets.
                    alias.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await self.wait_gone()

    async def _drain(self, transport: asyncio.Transport, alias: socket.socket) -> None:
        """Wait, for a limited time, until the client's system has received all that was written."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _FLUSH_S
        await asyncio.sleep(0)
        while loop.time() < until and not self.gone:
            if not transport.get_write_buffer_size() and not _unsent(alias):
                return
            await asyncio.sleep(0.001)

    @property
    def _transport(self) -> asyncio.Transport | None:
        return getattr(self._cycle, "transport", self._shared)


class _UntilClosed(int):
    """The expected length of a body that ends with its connection: it equals every length."""

    def __lt__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return False

    def __sub__(self, other: object) -> _UntilClosed:
        return self

    __hash__ = int.__hash__


def _alias(opened: Any) -> socket.socket | None:
    """Return a duplicate of the socket; `None` if it is closed because the client has left."""
    try:
        return socket.socket(fileno=os.dup(opened.fileno()))
    except OSError:
        return None


def _unsent(alias: socket.socket) -> int:
    """Return the number of bytes that the other side has not acknowledged; 0 if the system does not report it."""
    if sys.platform != "linux":
        return 0
    import fcntl
    import termios

    try:
        answer = fcntl.ioctl(alias, termios.TIOCOUTQ, b"\0" * 4)
    except OSError:
        return 0
    unsent: int = struct.unpack("i", answer)[0]
    return unsent
