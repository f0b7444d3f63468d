"""uvicorn's HTTP protocol, with additions for a server that any client may connect to.

- The handshake of a WebSocket hands the connection over. Other requests may offer to upgrade it, too (Java's
  `HttpClient` offers `h2c` by default); a server may ignore that (RFC 9110 section 7.8). httptools treats such a
  request as the last one and loses its body, so the request is parsed again without the offer.
- Its head is limited in size and time, and a request that can't be read is refused in the app's error format.
- HTTP/2 is served if tokentape[http2] is installed; otherwise the response explains how to install it.
- The access log, which would appear in the log of the surrounding program, is off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from itertools import chain
from typing import Any, Final, TypeAlias

import msgspec
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from tokentape_fake_provider.http.http2 import PREFACE, Http2Refusal, hand_over
from tokentape_fake_provider.http.request_limits import RequestLimits
from tokentape_fake_provider.http.websocket import NOT_INSTALLED, hand_over_websocket, is_handshake
from tokentape_fake_provider.playback.connection import RawHeaders

try:
    import httptools
except ImportError:  # PyPy: uvicorn then uses h11, which ignores an offer to upgrade and limits heads itself
    _tools: Any = None
else:
    _tools = httptools

Refuse: TypeAlias = Callable[[str, RawHeaders, int, str, str], tuple[RawHeaders, bytes]]
"""Returns headers and body of a refusal, from path, headers (names in lower case), status, code and message."""

# The time in s that a client has to read a refusal before the connection closes.
_LINGER_S: Final = 2.0
_NOT_HTTP: Final = "This is not a valid HTTP/1.1 request (and not https)."
# A handshake (RFC 8446, 5.1) in a record of any version.
_TLS_RECORD: Final = b"\x16\x03"
_TLS: Final = "The client uses TLS: let its base URL begin with http:// (or ws://), not https:// (or wss://)."
_OFFER: Final = (b"upgrade", b"http2-settings")


def refuse_in_json(path: str, headers: RawHeaders, status: int, code: str, message: str) -> tuple[RawHeaders, bytes]:  # noqa: ARG001
    """Build a refusal whose message every SDK finds: where OpenAI, Anthropic and Google send it, and where AWS does."""
    error = {"type": code, "code": status, "status": code, "message": message}
    body = msgspec.json.encode({"type": "error", "error": error, "message": message})
    return [(b"content-type", b"application/json"), (b"x-should-retry", b"false")], body


class HttpProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """One connection."""

    def __init__(self, *args: Any, limits: RequestLimits, refuse: Refuse, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = logging.getLogger("tokentape_fake_provider.http")
        self.parser: Any = getattr(self, "parser", None)
        self._limits = limits
        self._refuse = refuse
        self._timer: asyncio.TimerHandle | None = None
        self._received = False
        self._http2: Http2Refusal | None = None
        self._finished = False
        self._in_head = False
        self._head_size = 0
        self._skipped = False

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the first request of a new connection."""
        super().connection_made(transport)
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer of a closed connection."""
        self._unset_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of one or several requests."""
        if not self._received and data.startswith(PREFACE[: len(data)]) and len(data) > 3:
            self._unset_timer()
            if hand_over(self, data):
                return
            self._http2 = Http2Refusal(self.transport)
        self._received = True
        if self._http2 is not None:
            self._http2.receive(data)
        elif not self._finished:
            self._parse(data)
            self._watch_head(len(data))

    def _parse(self, data: bytes) -> None:
        if _tools is None:
            super().data_received(data)
            return
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except _tools.HttpParserUpgrade as upgrade:
                method = self.parser.get_method()
                if method == b"CONNECT":
                    self._refuse_request(405, "method_not_allowed", "This is no HTTP proxy: set the client's base URL.")
                    return
                if is_handshake(method, self.headers):
                    self._hand_over_websocket(data[upgrade.args[0] :])
                    return
                kept = [pair for pair in self.headers if pair[0] not in _OFFER]
                version = self.parser.get_http_version().encode()
                lines = [b"%b %b HTTP/%b" % (method, self.url, version), *(b"%b: %b" % pair for pair in kept)]
                data = b"\r\n".join([*lines, b"", data[upgrade.args[0] :]])
                self.parser = _tools.HttpRequestParser(self)
            except _tools.HttpParserError:
                self.send_400_response(_TLS if data.startswith(_TLS_RECORD) else _NOT_HTTP)
                return
            else:
                return

    def _hand_over_websocket(self, rest: bytes) -> None:
        """Let the protocol of WebSockets serve the connection from this handshake on."""
        head = [b"GET %b HTTP/1.1" % self.url, *(b"%b: %b" % pair for pair in self.headers), b"", rest]
        if hand_over_websocket(self, b"\r\n".join(head)):
            self._finished = True
            self._unset_timer()
        else:
            self._refuse_request(426, "websocket_not_supported", NOT_INSTALLED)

    # Called by uvicorn's protocol for h11.

    def _should_upgrade(self) -> bool:
        return _tools is None and is_handshake(self.scope["method"].encode(), self.headers)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Handle the handshake of a WebSocket."""
        self.url = event.target
        self._hand_over_websocket(b"")

    def _watch_head(self, received: int) -> None:
        """Limit the size and the time of an incomplete head."""
        idle = self.cycle is None or self.cycle.response_complete
        if self._finished or not (self._in_head or idle):
            return
        self._head_size += received
        if self._head_size > self._limits.head:
            self._refuse_head()
        elif self._timer is None:
            self._set_timer()

    def _refuse_head(self) -> None:
        size = f"{self._limits.head / 1024:g} KiB"
        self._refuse_request(431, "headers_too_large", f"The request's headers are larger than the limit of {size}.")

    # Called by httptools.

    def on_message_begin(self) -> None:
        """Handle the start of a request."""
        super().on_message_begin()
        self._in_head, self._skipped = True, False

    def on_headers_complete(self) -> None:
        """Handle the end of a head: skip a request that will be parsed again, and limit its size."""
        self._in_head = False
        if self.parser.should_upgrade():
            self._skipped = True  # it will be parsed again
            return
        self._head_size = 0
        self._unset_timer()
        size = sum(map(len, chain.from_iterable(self.headers)), len(self.url) + 4 * len(self.headers))
        if size > self._limits.head:
            self._skipped = True
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Handle a part of a body."""
        if not self._skipped:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Handle the end of a request."""
        if not self._skipped:
            super().on_message_complete()

    def _set_timer(self) -> None:
        self._timer = self.loop.call_later(self._limits.head_s, self._out_of_time)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _out_of_time(self) -> None:
        self._timer = None
        if self._received:
            limit = f"{self._limits.head_s:g} s"
            self._refuse_request(408, "request_timeout", f"The request's headers did not arrive within {limit}.")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is not HTTP; uvicorn calls this with a text of its own."""
        self._refuse_request(400, "bad_request", msg if msg == _TLS else _NOT_HTTP)

    def _refuse_request(self, status: int, code: str, message: str) -> None:
        """Refuse the request that is being read, and stop reading it."""
        self._finished = True
        self._unset_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started or not self.cycle.more_body:
                self.transport.close()  # an error can't be sent inside another response
                return
            self.cycle.disconnected = True  # the app gets no more of this body, and its response is discarded
            self.cycle.message_event.set()
        path = getattr(self, "url", b"").partition(b"?")[0].decode("latin-1")
        headers, body = self._refuse(path, self.headers or [], status, code, message)
        own_headers = (b"content-length", b"connection")
        kept = [
            *(pair for pair in headers if pair[0].lower() not in own_headers),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()), *(b"%b: %b" % pair for pair in kept)]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        # Closing with unread bytes would reset the connection, and the client might lose the refusal.
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)
