"""Changing server: a provider on loopback whose wire format a test changes between two runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.http_server import QuietHandler, serving
from tokentape_fake_provider import Script
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import wire_for_path

Change = Callable[[bytes], bytes]


class ChangingServer:
    """Answers each request with `script` in its own wire format, after `change` has changed the body.

    `received` are the requests: path, headers in lower case, body. `status` is that of every response; `cut` is the
    share of the body after which the connection is closed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.script = Script.of("The sea is deep.")
        self.change: Change = lambda body: body
        self.status = 200
        self.cut: float | None = None
        self.received: list[tuple[str, dict[str, str], Any]] = []

    def answer(self, path: str, body: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """The status, headers and body of an answer."""
        wire = wire_for_path(path.partition("?")[0])
        assert wire is not None
        if self.status != 200:
            return self.status, [("content-type", "application/json")], b'{"error": {"message": "Not now."}}'
        tape = encode(self.script, wire.read(path.partition("?")[0], body, created=1, seed="s"), Instant())
        headers = [pair for pair in tape.headers if pair[0] != "content-length"]
        return tape.status, headers, self.change(tape.body)


@contextmanager
def changing_server() -> Iterator[ChangingServer]:
    """A running server."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.received.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, headers, content = server.answer(self.path, body)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if server.cut is None else content[: int(len(content) * server.cut)])
            if server.cut is not None:
                self.close_connection = True

    with serving(Handler) as http:
        server = ChangingServer(http.url)
        yield server
