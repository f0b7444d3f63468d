"""Reading a WSGI app by calling it."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.threads import ThreadReader
from tokentape_harness.flush.targets import WsgiTarget


class WsgiReader(ThreadReader):
    """Calls an app in a thread, and reads what it yields."""

    def __init__(self, target: WsgiTarget, output: ObservedOutput) -> None:
        def read(left: threading.Event) -> None:
            heads: list[tuple[int, list[tuple[str, str]]]] = []

            def begin() -> None:
                # The head is sent with the first bytes (PEP 3333).
                if heads:
                    status, headers = heads.pop()
                    output.on_head(status, headers, "WSGI")

            def write(data: bytes) -> None:
                begin()
                output.on_data(data)

            def start_response(
                status: str, headers: list[tuple[str, str]], _exc_info: object = None
            ) -> Callable[[bytes], None]:
                heads[:] = [(int(status.split(" ", 1)[0]), headers)]
                return write

            body = target.app(_environ(target), start_response)
            try:
                for data in body:
                    if data:
                        write(data)
                    if left.is_set():
                        break
                begin()
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()

        super().__init__(read, output)


def _environ(target: WsgiTarget) -> dict[str, Any]:
    parts = urlsplit(target.path)
    body = target.request.body or b""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": target.request.verb,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(parts.path, "latin-1") or "/",
        "QUERY_STRING": parts.query,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in target.request.all_headers:
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ
