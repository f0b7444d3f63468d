"""Relay: a loopback server between an SDK and the target, which records what passes.

So every SDK, whatever its HTTP client, sends its own requests to the target and reads the bytes that are judged.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx2

from tokentape_conformance.provider.exchange import Exchange
from tokentape_conformance.provider.http_request import HttpRequest
from tokentape_conformance.trial import TimedFrame

_OWN = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "expect"}
_HOPS = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
_TIMEOUT_S = 60.0
_OVER_S = 5.0


class Relay:
    """The URL for an SDK, and the exchanges that passed through it."""

    def __init__(self) -> None:
        self.url = ""
        self._exchanges: list[Exchange] = []
        self._over = threading.Event()

    def keep(self, exchange: Exchange) -> None:
        """Record an exchange."""
        self._exchanges.append(exchange)
        self._over.set()

    def last(self) -> Exchange | None:
        """The last exchange, after waiting for its end: an SDK may finish before it."""
        self._over.wait(_OVER_S)
        return self._exchanges[-1] if self._exchanges else None


@contextlib.contextmanager
def relay_to(target_url: str) -> Iterator[Relay]:
    """A relay in front of a target's origin: paths stay as they are."""
    parts = urlsplit(target_url)
    relay = Relay()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Keep quiet."""

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            sent = HttpRequest("POST", self.path, {}, self.rfile.read(size))
            headers = [(name, value) for name, value in self.headers.items() if name.lower() not in _OWN]
            headers.append(("accept-encoding", "identity"))
            started, frames = time.perf_counter(), list[TimedFrame]()
            url = f"{parts.scheme}://{parts.netloc}{self.path}"
            with (
                httpx2.Client(timeout=_TIMEOUT_S, trust_env=False) as client,
                client.stream("POST", url, headers=headers, content=sent.body) as answer,
            ):
                received = tuple(answer.headers.multi_items())
                try:
                    self._pass_on(answer, started, frames)
                finally:
                    relay.keep(Exchange(sent, answer.status_code, received, tuple(frames)))

        def _pass_on(self, answer: httpx2.Response, started: float, frames: list[TimedFrame]) -> None:
            self.send_response(answer.status_code)
            for name, value in answer.headers.multi_items():
                if name.lower() not in _HOPS:
                    self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for data in answer.iter_raw():
                frames.append(TimedFrame(data, 1000 * (time.perf_counter() - started)))
                # An SDK may close the connection at the terminal event; what follows is judged all the same.
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            with contextlib.suppress(ConnectionError):
                self.wfile.write(b"0\r\n\r\n")

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    relay.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """An SDK that closes early, or a target that breaks, shows in the exchange."""
