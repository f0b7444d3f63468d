"""Web responses of a silent stream: heartbeats, and the end of one that is idle."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.tokentape.web_streams import Client
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    RequestTimeoutError,
    StreamedChatMessageIterator,
)
from tokentape.web import ASGIStream, wsgi_stream
from tokentape.web.frames import Format
from tokentape_fake_provider import ControlledClock


@pytest.mark.parametrize("format", ["sse", "ndjson"])
@pytest.mark.parametrize("plain", [True, False])
def test_asgi_heartbeats_in_silence(plain: bool, format: Format) -> None:  # noqa: A002
    """After a number of seconds without a message a heartbeat frame is sent; then the stream continues."""
    clock = ControlledClock()

    async def main() -> Client:
        go_on, go_on_plain = asyncio.Event(), threading.Event()
        tasks: set[object] = set()

        async def source() -> AsyncIterator[ChatMessage]:
            tasks.add(asyncio.current_task())
            await go_on.wait()
            yield ChatMessage("a")
            tasks.add(asyncio.current_task())

        def plain_source() -> Iterator[ChatMessage]:
            tasks.add(threading.current_thread())
            go_on_plain.wait(10)
            yield ChatMessage("a")
            tasks.add(threading.current_thread())

        stream: Any = (
            StreamedChatMessageIterator(plain_source()) if plain else AsyncStreamedChatMessageIterator(source())
        )
        client = Client()
        app = ASGIStream(stream, format=format, heartbeat=15, clock=clock)
        answering = asyncio.ensure_future(app({"type": "http"}, client.receive, client.send))
        await asyncio.to_thread(clock.wait_for_deadline)
        await clock.aadvance(14.999)
        assert client.frames == []
        await clock.aadvance(0.001)
        assert len(client.frames) == 1
        await clock.aadvance(30)
        assert len(client.frames) == 3
        go_on.set()
        go_on_plain.set()
        await answering
        assert len(tasks) == 1
        return client

    frames = asyncio.run(main()).frames
    beat = b": heartbeat\n\n" if format == "sse" else b'{"type":"heartbeat"}\n'
    assert frames[:3] == [beat] * 3
    assert frames[3] in (b'data: {"text":"a"}\n\n', b'{"type":"message","text":"a"}\n')
    assert clock.now() == 45_000
    assert clock.next_deadline is None


@pytest.mark.parametrize("format", ["text", "sse"])
@pytest.mark.parametrize("heartbeat", [None, 15, 25])
def test_asgi_stream_that_is_idle(format: Format, heartbeat: float | None) -> None:  # noqa: A002
    """A stream without a message for longer than its timeout fails and is closed, despite heartbeats."""
    if format == "text":
        heartbeat = None
    clock = ControlledClock()
    closed: list[bool] = []

    async def main() -> Client:
        async def source() -> AsyncIterator[ChatMessage]:
            try:
                yield ChatMessage("a")
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        client = Client()
        stream = AsyncStreamedChatMessageIterator(source())
        app = ASGIStream(stream, format=format, heartbeat=heartbeat, idle_timeout=60, clock=clock)
        answering = asyncio.ensure_future(app({"type": "http"}, client.receive, client.send))
        for _ in range(2):  # for the first message, and for the next
            await asyncio.to_thread(clock.wait_for_deadline)
        await clock.aadvance(59.999)
        assert not closed
        await clock.aadvance(0.001)
        if format == "text":
            with pytest.raises(RequestTimeoutError, match="sent nothing for 60 s"):
                await answering
        else:
            await answering
        return client

    client = asyncio.run(main())
    assert closed == [True]
    if format == "sse":
        assert client.frames.count(b": heartbeat\n\n") == {None: 0, 15: 3, 25: 2}[heartbeat]
        assert json.loads(client.frames[-2].split(b"data: ")[-1])["error"]["type"] == "RequestTimeoutError"


@pytest.mark.parametrize("idle_timeout", [None, 40])
def test_wsgi_heartbeats_in_silence(idle_timeout: float | None) -> None:
    """The stream is read in a thread, so that its silence can be filled, and ends; close() ends both."""
    clock = ControlledClock()
    go_on = threading.Event()

    def source() -> Iterator[ChatMessage]:
        go_on.wait(10)
        yield ChatMessage("a")

    stream = StreamedChatMessageIterator(source())
    frames = wsgi_stream(stream, format="sse", heartbeat=15, idle_timeout=idle_timeout, clock=clock)
    body = []
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            reading = pool.submit(next, frames)
            clock.wait_for_deadline()
            clock.advance(14.999)
            assert not reading.done()
            clock.advance(0.001)
            body.append(reading.result(10))
        reading = pool.submit(next, frames)
        clock.wait_for_deadline()
        if idle_timeout is None:
            go_on.set()
        else:
            clock.advance(10)
        body.append(reading.result(10))
    go_on.set()
    frames.close()
    assert body[:2] == [b": heartbeat\n\n", b": heartbeat\n\n"]
    assert body[2].startswith(b"event: error\n" if idle_timeout else b'data: {"text":"a"}')
