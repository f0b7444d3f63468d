"""Streams that web responses send on, an ASGI client in memory, and an application on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn

from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    RateLimitError,
    StreamedChatMessageIterator,
    TokenUsage,
    ToolCall,
)
from tokentape.web.frames import Format

CHUNKS = (
    ChatMessage(),
    ChatMessage("Hi\n\n\u2028"),
    ChatMessage("", tool_calls=(ToolCall("c1", "f", {"a": 1}, '{"a":1}'),)),
    ChatMessage("0", finish_reason="stop", usage=TokenUsage(3, 2, 5)),
    ChatMessage("other", index=1),
)

AS_TEXT = "Hi\n\n\u20280".encode()
AS_SSE = (
    'data: {"text":"Hi\\n\\n\u2028"}\n\n'
    'data: {"tool_calls":[{"id":"c1","name":"f","arguments":{"a":1},"valid":true}]}\n\n'
    'data: {"text":"0","finish_reason":"stop"}\n\n'
    'data: {"text":"other","index":1}\n\n'
    'event: done\ndata: {"finish_reason":"stop","usage":{"input":3,"output":2,"total":5}}\n\n'
).encode()
AS_NDJSON = (
    '{"type":"message","text":"Hi\\n\\n\u2028"}\n'
    '{"type":"message","tool_calls":[{"id":"c1","name":"f","arguments":{"a":1},"valid":true}]}\n'
    '{"type":"message","text":"0","finish_reason":"stop"}\n'
    '{"type":"message","text":"other","index":1}\n'
    '{"type":"done","finish_reason":"stop","usage":{"input":3,"output":2,"total":5}}\n'
).encode()
BODIES: list[tuple[Format, bytes]] = [("text", AS_TEXT), ("sse", AS_SSE), ("ndjson", AS_NDJSON)]
SECRET = "organization org-secret, key sk-secret"


def sync_stream(*chunks: ChatMessage, error: BaseException | None = None) -> StreamedChatMessageIterator:
    """A plain stream of these chunks, that then ends or fails."""

    def source() -> Iterator[ChatMessage]:
        yield from chunks or CHUNKS
        if error is not None:
            raise error

    return StreamedChatMessageIterator(source())


def async_stream(*chunks: ChatMessage, error: BaseException | None = None) -> AsyncStreamedChatMessageIterator:
    """An async stream of these chunks, that then ends or fails."""

    async def source() -> AsyncIterator[ChatMessage]:
        for chunk in chunks or CHUNKS:
            yield chunk
        if error is not None:
            raise error

    return AsyncStreamedChatMessageIterator(source())


STREAMS = [sync_stream, async_stream]


class Client:
    """An ASGI client in memory: collects what is sent, and disconnects on demand."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.leave = asyncio.Event()
        self.on_send: Callable[[bytes], None] = lambda body: None

    async def receive(self) -> Any:
        """The request's body, then the disconnect."""
        if not hasattr(self, "requested"):
            self.requested = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a message of the application."""
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.on_send(message["body"])

    @property
    def body(self) -> bytes:
        """All of the body so far."""
        return b"".join(self.frames)

    @property
    def frames(self) -> list[bytes]:
        """The messages of the body."""
        return [sent["body"] for sent in self.sent[1:]]

    @property
    def complete(self) -> bool:
        """Whether the body was ended."""
        return bool(self.sent) and not self.sent[-1].get("more_body", True)


def run_asgi(app: Any) -> Client:
    """Run an application to its end."""

    async def main() -> Client:
        client = Client()
        await app({"type": "http"}, client.receive, client.send)
        return client

    return asyncio.run(main())


FAILURE = RateLimitError(SECRET, status=429, retry_after=2.0)


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """An ASGI application on uvicorn, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
