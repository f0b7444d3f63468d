"""Responses of Django: each kind of stream under each kind of server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.middleware.gzip import GZipMiddleware
from django.test import AsyncRequestFactory, RequestFactory

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage, ConfigurationError, StreamedChatMessageIterator
from tokentape.web import ResumableResponses, StreamingChatHttpResponse

if not settings.configured:
    settings.configure()

BODY = b'data: {"text":"a"}\n\ndata: {"text":"b"}\n\nevent: done\ndata: {"finish_reason":null,"usage":{}}\n\n'


def plain(seen: list[str] | None = None) -> StreamedChatMessageIterator:
    """A stream of two messages, which notes what was read of it."""

    def source() -> Iterator[ChatMessage]:
        for text in "ab":
            if seen is not None:
                seen.append(text)
            yield ChatMessage(text)

    return StreamedChatMessageIterator(source())


def asynchronous(seen: list[str] | None = None) -> AsyncStreamedChatMessageIterator:
    """The same, async."""

    async def source() -> AsyncIterator[ChatMessage]:
        for text in "ab":
            if seen is not None:
                seen.append(text)
            yield ChatMessage(text)

    return AsyncStreamedChatMessageIterator(source())


def wsgi() -> HttpRequest:
    """A request under WSGI."""
    return RequestFactory().post("/chat")


def asgi() -> HttpRequest:
    """A request under ASGI."""
    return AsyncRequestFactory().post("/chat")


def test_under_wsgi_a_plain_stream_is_sent_as_it_comes() -> None:
    """The server requests one frame at a time, and gets it before the next message is read."""
    seen: list[str] = []
    response = StreamingChatHttpResponse(wsgi(), plain(seen), format="sse", headers={"X-Mine": "1"}, status=201)
    assert (response.status_code, response["X-Mine"], response["X-Accel-Buffering"]) == (201, "1", "no")
    assert response["Content-Type"] == "text/event-stream; charset=utf-8"
    frames = iter(response)
    assert seen == []
    assert next(frames) == b'data: {"text":"a"}\n\n'
    assert seen == ["a"]
    assert b'data: {"text":"a"}\n\n' + b"".join(frames) == BODY
    response.close()


@pytest.mark.parametrize("make", [plain, asynchronous])
def test_under_asgi_each_stream_is_sent_as_it_comes(make: Any) -> None:
    """Plain streams too, which Django by itself would read to their end first."""
    seen: list[str] = []

    async def main() -> bytes:
        response = StreamingChatHttpResponse(asgi(), make(seen), format="sse")
        assert response.is_async
        frames = aiter(response)
        first = await anext(frames)
        assert (first, seen) == (b'data: {"text":"a"}\n\n', ["a"])
        return first + b"".join([frame async for frame in frames])

    assert asyncio.run(main()) == BODY


def test_under_wsgi_an_async_stream_is_refused() -> None:
    """Django would hold the stream until its end; the error names the remedy."""
    with pytest.raises(ConfigurationError, match=r"under WSGI.*use the provider's chat\(\)"):
        StreamingChatHttpResponse(wsgi(), asynchronous())


def test_under_wsgi_the_stream_closes_at_the_first_frame_without_a_reader() -> None:
    """The request's environ shows whether the reader is connected."""
    request = RequestFactory().post("/chat", **{"waitress.client_disconnected": lambda: True})  # type: ignore[arg-type]
    stream = plain()
    assert list(StreamingChatHttpResponse(request, stream)) == []
    assert stream.status == "cancelled"


def test_under_wsgi_close_closes_the_stream() -> None:
    """Servers close the response when the reader leaves."""
    stream = plain()
    response = StreamingChatHttpResponse(wsgi(), stream)
    assert next(iter(response)) == b"a"
    response.close()
    assert stream.status == "cancelled"


def test_under_asgi_a_cancelled_answer_closes_the_stream() -> None:
    """Django cancels the answer when the reader leaves: the source is closed before that is over."""
    closed: list[bool] = []

    async def main() -> str:
        waiting = asyncio.Event()

        async def source() -> AsyncIterator[ChatMessage]:
            try:
                yield ChatMessage("a")
                waiting.set()
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        stream = AsyncStreamedChatMessageIterator(source())
        response = StreamingChatHttpResponse(asgi(), stream)

        async def send() -> None:
            async for _ in response:
                pass

        sending = asyncio.ensure_future(send())
        await waiting.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        return stream.status

    assert asyncio.run(main()) == "cancelled"
    assert closed == [True]


def answer(request: HttpRequest, kind: str) -> Any:
    """A response of either kind."""
    if kind == "streaming":
        return StreamingChatHttpResponse(request, plain(), format="sse")
    responses = ResumableResponses()
    responses.start("a", plain())
    return responses.django(request, "a")


@pytest.mark.parametrize("kind", ["streaming", "resumable"])
@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_the_gzip_middleware_leaves_it_alone(factory: Any, kind: str) -> None:
    """It would hold the response to its end under WSGI, and compress each piece for itself under ASGI."""
    request = factory().get("/chat", headers={"accept-encoding": "gzip"})
    response = GZipMiddleware(lambda request: answer(request, kind))(request)

    async def read() -> bytes:
        return b"".join([piece async for piece in response])

    body = asyncio.run(read()) if response.is_async else b"".join(response)
    assert "content-encoding" not in response.headers
    assert body.endswith(b'event: done\ndata: {"finish_reason":null,"usage":{}}\n\n')
