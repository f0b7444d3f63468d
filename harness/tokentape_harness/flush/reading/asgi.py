"""Reading an ASGI app by calling it."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote, urlsplit

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.tasks import TaskReader
from tokentape_harness.flush.targets import AsgiTarget


class ReaderLeftError(OSError):
    """The error of an app that sends after its reader has left, since ASGI 2.4."""


class UnfinishedResponseError(Exception):
    """The app returned without ending its response: a server closes the connection."""


class AsgiReader(TaskReader):
    """Calls an app in the event loop; after `leave` it receives the disconnect that ASGI defines."""

    def __init__(self, target: AsgiTarget, output: ObservedOutput, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = asyncio.Event()
        super().__init__(_read_asgi(target, output, self._left), output, loop)

    def leave(self) -> None:
        """Let the app receive `http.disconnect`, and fail to send."""
        self._loop.call_soon_threadsafe(self._left.set)


async def _read_asgi(target: AsgiTarget, output: ObservedOutput, ended: asyncio.Event) -> None:
    """Call an app with a new request, and read its response until `ended`, which the end of the response also sets."""
    parts = urlsplit(target.path)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": target.request.verb,
        "scheme": "http",
        "path": unquote(parts.path) or "/",
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), *_encoded(target)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {},
    }
    requested = complete = False

    async def receive() -> dict[str, Any]:
        nonlocal requested
        if not requested:
            requested = True
            return {"type": "http.request", "body": target.request.body or b"", "more_body": False}
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal complete
        if ended.is_set() and not complete:
            raise ReaderLeftError("the reader has left")
        match message["type"]:
            case "http.response.start":
                headers = [
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())
                ]
                output.on_head(message["status"], headers, "ASGI")
            case "http.response.body":
                if message.get("body"):
                    output.on_data(bytes(message["body"]))
                if not message.get("more_body"):
                    output.on_end()
                    complete = True
                    ended.set()

    try:
        await target.app(scope, receive, send)
    finally:
        left = ended.is_set() and not complete
        ended.set()
    if left:
        output.on_end("the reader left", broken=True)
    elif not complete:
        raise UnfinishedResponseError("the app returned before the end of its response")


def _encoded(target: AsgiTarget) -> list[tuple[bytes, bytes]]:
    body = target.request.body
    length = [("content-length", str(len(body)))] if body is not None else []
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in (*target.request.all_headers, *length)
    ]
