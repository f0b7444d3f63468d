"""Blocking: an HTTP proxy that refuses every request, so that a replay can't reach other hosts."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

_LONGEST_LINE: Final = 65_536
_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.05


class BlockingProxy:
    """Refuses each request with a 403, and calls `report` with one message for each host. A context manager."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._reported: set[str] = set()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Its URL, for the variables that name a proxy."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def refusal(self, host: str) -> str:
        """Why a request to this host is refused; the first time it is also reported."""
        message = (
            f"{host}: blocked, since mode none sends nothing to other hosts (if it is a provider, point the program to "
            "the proxy by a placeholder such as {openai} in COMMAND; see docs/agents.md)"
        )
        if host not in self._reported:
            self._reported.add(host)
            self._report(message)
        return message

    def __enter__(self) -> BlockingProxy:
        self._server = _Server(self)
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="tokentape-blocking", daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: BlockingProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Refused)
        self.proxy = proxy


class _Refused(socketserver.StreamRequestHandler):
    """One connection: `CONNECT HOST:PORT`, or a method with a whole URL."""

    server: _Server
    timeout = _TIMEOUT_S

    def handle(self) -> None:
        """Refuse the request, and read what the client still sends: a reset could lose the response."""
        with suppress(OSError, ValueError):
            words = self.rfile.readline(_LONGEST_LINE).decode("latin-1").split()
            if len(words) < 2:
                return
            host = words[1] if words[0] == "CONNECT" else urlsplit(words[1]).netloc.rpartition("@")[2]
            body = f"tokentape: {self.server.proxy.refusal(host or 'another host')}\n".encode()
            while self.rfile.readline(_LONGEST_LINE).strip():
                pass
            head = f"content-type: text/plain\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.wfile.write(f"HTTP/1.1 403 Forbidden\r\n{head}".encode() + body)
            while self.rfile.read(_LONGEST_LINE):
                pass
