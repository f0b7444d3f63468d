"""The response of a provider is closed once, however its stream ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx2
import pytest

from tests.tokentape.openai_chunks import chunk
from tests.tokentape.provider_calls import KEY
from tests.tokentape.stepped_server import SteppedServer
from tokentape import (
    DecodeError,
    OverloadedError,
)
from tokentape.providers import OpenAIChat


class CountingStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that counts how often it is closed."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.read = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.chunks:
            self.read += 1
            yield piece

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for piece in self.chunks:
            self.read += 1
            yield piece

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def mocked(body: CountingStream, status: int = 200) -> httpx2.MockTransport:
    """A transport that answers with this body."""
    return httpx2.MockTransport(
        lambda request: httpx2.Response(status, headers={"content-type": "text/event-stream"}, stream=body)
    )


@pytest.mark.parametrize("leave", ["end", "break", "close", "fail"])
def test_the_response_is_closed_once(leave: str) -> None:
    """On completion, break, close() and failure; it is read only as far as the reader goes."""
    end = [b"data: [DONE]\n\n"] if leave != "fail" else [b"data: {oops\n\n", b""]
    body = CountingStream(chunk("a"), chunk("b"), *end)
    with httpx2.Client(transport=mocked(body)) as http:
        response = OpenAIChat("m", api_key=KEY, http_client=http).chat("Hi", stream=True)
        assert (body.read, body.closed) == (0, 0)
        stream = response.normalized
        if leave == "fail":
            with pytest.raises(DecodeError):
                list(stream)
        elif leave == "end":
            list(stream)
        elif leave == "break":
            for _ in stream:
                break
        else:
            next(iter(stream))
            stream.close()
        assert body.closed == 1
        if leave in ("break", "close"):
            assert (body.read, stream.status) == (1, "cancelled")
        stream.close()
        assert body.closed == 1
        assert not http.is_closed


@pytest.mark.parametrize("leave", ["end", "aclose", "cancel"])
def test_the_async_response_is_closed_once(leave: str) -> None:
    """On completion, aclose() and cancellation."""
    body = CountingStream(chunk("a"), chunk("b"), b"data: [DONE]\n\n")

    async def main() -> None:
        async with httpx2.AsyncClient(transport=mocked(body)) as http:
            client = OpenAIChat("m", api_key=KEY, async_http_client=http)
            stream = (await client.achat("Hi", stream=True)).normalized
            assert (body.read, body.closed) == (0, 0)
            if leave == "end":
                assert [message.text async for message in stream] == ["a", "b"]
            elif leave == "aclose":
                async for _ in stream:
                    break
                await stream.aclose()
            else:

                async def read() -> None:
                    async with stream:
                        async for _ in stream:
                            got_one.set()
                            await asyncio.Event().wait()

                got_one = asyncio.Event()
                task = asyncio.ensure_future(read())
                await got_one.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert body.closed == 1
            await client.aclose()
            assert not http.is_closed

    asyncio.run(main())


def test_a_refused_response_is_closed() -> None:
    """An error status reads the body and lets go of the connection."""
    body = CountingStream(b'{"error": {"message": "no"}}')
    with httpx2.Client(transport=mocked(body, 503)) as http, pytest.raises(OverloadedError, match="no"):
        OpenAIChat("m", api_key=KEY, http_client=http).chat("Hi", stream=True)
    assert body.closed == 1


def test_leaving_early_closes_the_connection() -> None:
    """The provider notices that the reader has left."""
    with (
        SteppedServer([chunk("a"), chunk("b")]) as server,
        OpenAIChat("m", api_key=KEY, base_url=server.url) as client,
    ):
        server.step()
        for _ in client.chat("Hi", stream=True).normalized:
            break
        assert server.left.wait(10)


def test_a_stream_is_closed_while_another_thread_waits_for_it() -> None:
    """close() ends the loop of a thread that waits for the next token, and the provider notices."""
    with (
        SteppedServer([chunk("a"), chunk("b")]) as server,
        OpenAIChat("m", api_key=KEY, base_url=server.url) as client,
    ):
        stream = client.chat("Hi", stream=True).normalized
        got_one = threading.Event()

        def read() -> None:
            for _ in stream:
                got_one.set()

        reader = threading.Thread(target=read)
        reader.start()
        server.step()
        assert got_one.wait(10)
        stream.close()
        reader.join(10)
        assert not reader.is_alive()
        assert server.left.wait(10)
        assert (stream.status, stream.text) == ("cancelled", "a")
