"""Silence in the responses of frameworks: heartbeat, idle timeout and clock hold for each of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.test import AsyncRequestFactory, RequestFactory

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage, StreamedChatMessageIterator
from tokentape.web import StreamingChatHttpResponse, StreamingChatResponse
from tokentape_fake_provider import ControlledClock

if not settings.configured:
    settings.configure()

Take = Callable[[bytes], None]

BEAT = b": heartbeat\n\n"
BEATEN = [(0, b'data: {"text":"a"}\n\n'), (15_000, BEAT), (30_000, BEAT)]


async def starlette(stream: Any, options: dict[str, Any], take: Take) -> None:
    """Answer as Starlette and FastAPI do."""

    async def receive() -> Any:
        return await asyncio.Future()

    async def send(message: Any) -> None:
        if message.get("body"):
            take(message["body"])

    await StreamingChatResponse(stream, **options)({"type": "http"}, receive, send)


async def django_asgi(stream: Any, options: dict[str, Any], take: Take) -> None:
    """Answer as Django does under ASGI."""
    async for frame in StreamingChatHttpResponse(AsyncRequestFactory().post("/"), stream, **options):
        take(frame)


@pytest.mark.parametrize("answer", [starlette, django_asgi])
@pytest.mark.parametrize("idle_timeout", [None, 40])
def test_silence_under_asgi(
    answer: Callable[[Any, dict[str, Any], Take], Awaitable[None]], idle_timeout: float | None
) -> None:
    """In the time of its clock each heartbeat comes when it is due, and the error after the idle timeout."""
    clock = ControlledClock()
    frames: list[tuple[float, bytes]] = []

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("a")
        await asyncio.Event().wait()

    async def main() -> None:
        stream = AsyncStreamedChatMessageIterator(source())
        options = {"format": "sse", "heartbeat": 15, "idle_timeout": idle_timeout, "clock": clock}
        answering = asyncio.ensure_future(answer(stream, options, lambda frame: frames.append((clock.now(), frame))))
        for _ in range(2):  # for the first message, and for the next
            await asyncio.to_thread(clock.wait_for_deadline)
        await clock.aadvance(44)
        if idle_timeout is None:
            answering.cancel()
        await asyncio.gather(answering, return_exceptions=idle_timeout is None)

    asyncio.run(main())
    assert frames[:3] == BEATEN
    ends = [(at, frame.split(b"\n")[0]) for at, frame in frames[3:]]
    assert ends == ([] if idle_timeout is None else [(40_000, b"event: error")])


@pytest.mark.parametrize("idle_timeout", [None, 40])
def test_silence_of_django_under_wsgi(idle_timeout: float | None) -> None:
    """The same under WSGI, where the server requests one frame after the other."""
    clock = ControlledClock()
    go_on = threading.Event()

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("a")
        go_on.wait(10)

    response = StreamingChatHttpResponse(
        RequestFactory().post("/"),
        StreamedChatMessageIterator(source()),
        format="sse",
        heartbeat=15,
        idle_timeout=idle_timeout,
        clock=clock,
    )
    with ThreadPoolExecutor(1) as pool:
        body = iter(response)
        frames = [(clock.now(), pool.submit(next, body).result(10))]
        for _ in range(2):
            reading = pool.submit(next, body)
            while clock.next_deadline is None:
                clock.wait_for_deadline()
            clock.advance(15)
            frames.append((clock.now(), reading.result(10)))
        if idle_timeout is not None:
            reading = pool.submit(next, body)
            while clock.next_deadline is None:
                clock.wait_for_deadline()
            clock.advance(10)
            assert reading.result(10).startswith(b"event: error\n")
        go_on.set()
    response.close()
    assert frames == BEATEN
