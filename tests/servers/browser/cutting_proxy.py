"""A proxy that cuts event streams off: after a number of events, or of bytes, of each connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from urllib.parse import urlsplit


class CuttingProxy:
    """Forwards connections to `target`; of a response of events it sends what `cut` leaves of the bytes so far.

    `cut(sent)` gets all bytes of the response and returns how many of them leave before the connection is closed;
    None leaves it open. `streams` counts the responses of events.
    """

    def __init__(self, target: str) -> None:
        self.cut: Callable[[bytes], int | None] = lambda body: None
        self.streams = 0
        self._target = (urlsplit(target).hostname, urlsplit(target).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()
        self.break_all()

    def break_all(self) -> None:
        """Close all connections now."""
        for connection in tuple(self._open):
            _shut(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open |= {client, server}
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        _shut(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        body: bytes | None = None
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if body is None and b"content-type: text/event-stream" in data.lower():
                    body, self.streams = b"", self.streams + 1
                if body is not None:
                    before, body = len(body), body + data
                    kept = self.cut(body)
                    if kept is not None:
                        client.sendall(body[before:kept])
                        break
                client.sendall(data)
        _shut(client)
        _shut(server)
        self._open -= {client, server}


def after_events(count: int) -> Callable[[bytes], int | None]:
    """Cut after this number of events."""

    def cut(body: bytes) -> int | None:
        position = -1
        for _ in range(count):
            position = body.find(b"\n\n", position + 1)
            if position < 0:
                return None
        return position + 2

    return cut


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
