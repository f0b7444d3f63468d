"""An HTTP server on the loopback interface that sends its response piece by piece, as the test steps it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Literal

Delimiter = Literal["chunked", "close", "length"]


class SteppedServer:
    """Answers one request with `pieces`; each `step()` lets one more of them out, then the end.

    `delimiter` is how the body ends: by chunked coding, by the connection's end or by its length. `cut` breaks
    it off before that. `left` is set when the client has closed its side.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        *,
        delimiter: Delimiter = "chunked",
        headers: Sequence[str] = ("content-type: text/event-stream",),
        status: int = 200,
        cut: bool = False,
    ) -> None:
        self.pieces = list(pieces)
        self.delimiter = delimiter
        self.headers = list(headers)
        self.status = status
        self.cut = cut
        self.request = b""
        self.left = threading.Event()
        self._steps = threading.Semaphore(0)
        self._stopped = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def step(self, count: int = 1) -> None:
        """Let `count` more pieces out; one more after the last is the end."""
        for _ in range(count):
            self._steps.release()

    def all(self) -> None:
        """Let everything out."""
        self.step(len(self.pieces) + 1)

    def __enter__(self) -> SteppedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        self.all()
        self._listener.close()
        if self._connection is None:
            return
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        self._connection = connection
        with connection:
            while b"\r\n\r\n" not in self.request:
                self.request += connection.recv(65536)
            head, _, body = self.request.partition(b"\r\n\r\n")
            wanted = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    wanted = int(line.partition(b":")[2])
            while len(body) < wanted:
                body += connection.recv(65536)
            self.request = head + b"\r\n\r\n" + body
            watcher = threading.Thread(target=self._watch, args=(connection,), daemon=True)
            watcher.start()
            try:
                self._answer(connection)
            except OSError:
                self.left.set()
            if self.delimiter == "close" or self.cut:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
            watcher.join(10)

    def _answer(self, connection: socket.socket) -> None:
        framing = {
            "chunked": ["transfer-encoding: chunked"],
            "close": ["connection: close"],
            "length": [f"content-length: {sum(map(len, self.pieces))}"],
        }[self.delimiter]
        head = [f"HTTP/1.1 {self.status} X", *self.headers, *framing]
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        sent = self.pieces[:-1] if self.cut else self.pieces
        for piece in sent:
            self._steps.acquire()
            if self._stopped:
                return
            framed = b"%x\r\n%s\r\n" % (len(piece), piece) if self.delimiter == "chunked" else piece
            connection.sendall(framed)
        self._steps.acquire()
        if self.delimiter == "chunked" and not self.cut:
            connection.sendall(b"0\r\n\r\n")

    def _watch(self, connection: socket.socket) -> None:
        try:
            while connection.recv(65536):
                pass
        except OSError:
            pass
        self.left.set()
