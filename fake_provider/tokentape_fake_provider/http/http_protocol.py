"""uvicorn's HTTP protocol, with additions for a server that any client may connect to.

- A request may offer to upgrade the connection (Java's `HttpClient` offers `h2c` by default): RFC 9110 section 7.8
  lets a server ignore that. httptools takes such a request for its last one and loses its body, so that the request
  is parsed again without the offer.
- Its head is limited in size and in time, and what can't be read is refused in the shape of the app's errors.
- HTTP/2 is served if tokentape[http2] is installed; otherwise the response explains how to install it.
- The access log, which would appear in the log of the surrounding program, is off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import msgspec
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from tokentape_fake_provider.http.http2 import PREFACE, Http2Refusal, hand_over
from tokentape_fake_provider.http.request_limits import RequestLimits
from tokentape_fake_provider.playback.connection import RawHeaders

try:
    import httptools
except ImportError:  # PyPy: uvicorn takes h11 then, which reads past an offer to upgrade and limits heads by itself
    _tools: Any = None
else:
    _tools = httptools

Refuse: TypeAlias = Callable[[str, RawHeaders, int, str, str], tuple[RawHeaders, bytes]]
"""The headers and the body of a refusal: of a path and headers (names in lower case), by status, code and message."""

# How long a client may take to read a refusal before the connection closes, in s.
_LINGER_S: Final = 2.0
_OFFER: Final = (b"upgrade", b"http2-settings")


def refuse_in_json(path: str, headers: RawHeaders, status: int, code: str, message: str) -> tuple[RawHeaders, bytes]:  # noqa: ARG001
    """A refusal in which each SDK finds its message: where OpenAI, Anthropic and Google have it, and where AWS has."""
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
        self._refused = False
        self._in_head = False
        self._head_size = 0
        self._skipped = False

    def connection_made(self, transport: Any) -> None:
        """A client connects: its first request is to come."""
        super().connection_made(transport)
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._unset_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, or of several."""
        if not self._received and data.startswith(PREFACE[: len(data)]) and len(data) > 3:
            self._unset_timer()
            if hand_over(self, data):
                return
            self._http2 = Http2Refusal(self.transport)
        self._received = True
        if self._http2 is not None:
            self._http2.receive(data)
        elif not self._refused:
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
                kept = [pair for pair in self.headers if pair[0] not in _OFFER]
                version = self.parser.get_http_version().encode()
                lines = [b"%b %b HTTP/%b" % (method, self.url, version), *(b"%b: %b" % pair for pair in kept)]
                data = b"\r\n".join([*lines, b"", data[upgrade.args[0] :]])
                self.parser = _tools.HttpRequestParser(self)
            except _tools.HttpParserError:
                self.send_400_response("")
                return
            else:
                return

    def _watch_head(self, received: int) -> None:
        """Limit what has come of a head that is not complete."""
        idle = self.cycle is None or self.cycle.response_complete
        if self._refused or not (self._in_head or idle):
            return
        self._head_size += received
        if self._head_size > self._limits.head:
            self._refuse_head()
        elif self._timer is None:
            self._set_timer()

    def _refuse_head(self) -> None:
        size = f"{self._limits.head / 1024:g} KiB"
        self._refuse_request(431, "headers_too_large", f"The request's headers are larger than the limit of {size}.")

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._skipped = True, False

    def on_headers_complete(self) -> None:
        """Its head is read."""
        self._in_head = False
        if self.parser.should_upgrade():
            self._skipped = True  # it is parsed again
            return
        self._head_size = 0
        self._unset_timer()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self._limits.head:
            self._skipped = True
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        if not self._skipped:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is read."""
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

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """Refuse what is not HTTP."""
        self._refuse_request(400, "bad_request", "This is not a valid HTTP/1.1 request (and not https).")

    def _refuse_request(self, status: int, code: str, message: str) -> None:
        """Refuse what is being read, and read no more of it."""
        self._refused = True
        self._unset_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started or not self.cycle.more_body:
                self.transport.close()  # before the end of another response nothing can be said
                return
            self.cycle.disconnected = True  # the app gets no more of this body, and its response goes nowhere
            self.cycle.message_event.set()
        path = getattr(self, "url", b"").partition(b"?")[0].decode("latin-1")
        headers, body = self._refuse(path, self.headers or [], status, code, message)
        ours = (b"content-length", b"connection")
        kept = [
            *(pair for pair in headers if pair[0].lower() not in ours),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()), *(b"%b: %b" % pair for pair in kept)]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        # To close with something unread would reset the connection, and the client might lose the refusal.
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)
