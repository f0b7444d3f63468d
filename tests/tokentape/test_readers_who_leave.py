"""Web responses whose reader leaves: the stream is closed, and with it the provider's connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.tokentape.stepped_server import SteppedServer
from tests.tokentape.web_streams import CHUNKS, Client, async_stream, sync_stream
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    StreamedChatMessageIterator,
)
from tokentape.providers import OpenAIChat
from tokentape.web import ASGIStream, wsgi_stream
from tokentape.web.frames import Format
from tokentape_fake_provider import ControlledClock


@pytest.mark.parametrize("format", ["text", "sse"])
def test_asgi_closes_an_async_stream_when_the_reader_leaves(format: Format) -> None:  # noqa: A002
    """A disconnect cancels the wait for the next message and closes the source, once."""
    closed: list[str] = []

    async def main() -> None:
        client = Client()

        async def source() -> AsyncIterator[ChatMessage]:
            try:
                yield ChatMessage("a")
                client.leave.set()
                await asyncio.Event().wait()
            finally:
                closed.append("source")

        stream = AsyncStreamedChatMessageIterator(source())
        heartbeat = 1.0 if format == "sse" else None
        app = ASGIStream(stream, format=format, heartbeat=heartbeat, clock=ControlledClock())
        await app({"type": "http"}, client.receive, client.send)
        assert (stream.status, client.complete) == ("cancelled", False)

    asyncio.run(main())
    assert closed == ["source"]


def test_asgi_closes_a_plain_stream_when_the_reader_leaves() -> None:
    """The thread that waits for the provider is woken, and the provider sees its client leave."""

    async def main(server: SteppedServer, provider: OpenAIChat) -> None:
        client = Client()
        client.on_send = lambda body: client.leave.set()
        stream = provider.chat("Hi", stream=True)
        server.step()
        await ASGIStream(stream)({"type": "http"}, client.receive, client.send)
        assert client.body == b"a"
        assert stream.normalized.status == "cancelled"
        assert await asyncio.to_thread(server.left.wait, 10)

    body = [b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', b"data: [DONE]\n\n"]
    with SteppedServer(body) as server, OpenAIChat("m", api_key="k", base_url=server.url) as provider:
        asyncio.run(main(server, provider))


def test_a_send_that_fails_means_that_the_reader_left() -> None:
    """ASGI 2.4 servers raise OSError; the stream is closed and nothing is raised."""

    async def main() -> None:
        stream = async_stream()
        client = Client()

        async def send(message: Any) -> None:
            if message.get("body"):
                raise OSError("gone")

        await ASGIStream(stream)({"type": "http"}, client.receive, send)
        assert stream.status == "cancelled"

    asyncio.run(main())


@pytest.mark.parametrize("make", [async_stream, sync_stream], ids=["async", "plain"])
def test_a_response_that_does_not_begin_closes_its_stream(make: Any) -> None:
    """A reader who leaves before the head of the response ends the stream as well."""

    async def main() -> None:
        stream = make()

        async def send(message: Any) -> None:
            raise OSError("gone")

        await ASGIStream(stream)({"type": "http"}, Client().receive, send)
        assert stream.status == "cancelled"

    asyncio.run(main())


def test_a_cancelled_response_closes_its_stream() -> None:
    """A server that shuts down cancels the task: the stream is closed before it ends."""

    async def main() -> None:
        waiting = asyncio.Event()

        async def source() -> AsyncIterator[ChatMessage]:
            yield ChatMessage("a")
            waiting.set()
            await asyncio.Event().wait()

        stream = AsyncStreamedChatMessageIterator(source())
        client = Client()
        task = asyncio.ensure_future(ASGIStream(stream)({"type": "http"}, client.receive, client.send))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.status == "cancelled"

    asyncio.run(main())


@pytest.mark.parametrize("heartbeat", [None, 5.0])
def test_wsgi_close_closes_the_stream(heartbeat: float | None) -> None:
    """The server calls close() when the reader leaves; a second one does nothing."""
    closed: list[bool] = []
    stream = StreamedChatMessageIterator(iter(CHUNKS[1:]), close=lambda: closed.append(True))
    frames = wsgi_stream(stream, format="sse", heartbeat=heartbeat)
    assert next(frames)
    frames.close()
    frames.close()
    assert (closed, stream.status) == ([True], "cancelled")


def test_what_is_read_in_a_thread_is_closed_when_the_thread_is_done() -> None:
    """A generator can't be closed while it runs: close() waits for it, and closes it then."""
    go_on = threading.Event()
    closed: list[bool] = []

    def source() -> Iterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            go_on.wait(10)
            yield ChatMessage("b")
        finally:
            closed.append(True)

    class Source:
        generator = source()

        def __iter__(self) -> Iterator[ChatMessage]:
            return self.generator

        def close(self) -> None:
            go_on.set()

    clock = ControlledClock()
    frames = wsgi_stream(Source(), format="sse", heartbeat=5, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        assert next(frames) == b'data: {"text":"a"}\n\n'
        reading = pool.submit(next, frames)
        while clock.next_deadline is None:
            clock.wait_for_deadline()
        clock.advance(5)
        assert reading.result(10) == b": heartbeat\n\n"
    assert not closed
    frames.close()
    assert closed == [True]
