"""Open responses of HTTP clients as sources of a stream, sync and async."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests

from tests.tokentape.openai_chunks import DONE, PATH, chunk
from tests.tokentape.stepped_server import Delimiter, SteppedServer
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ConnectionFailedError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    StreamedChatMessageIterator,
    TokentapeError,
    TruncatedStreamError,
    UnknownWireError,
)
from tokentape.sources.wrapping import stream_response, wrap


class Httpx2:
    """Opens a stream with httpx2; the others do with theirs."""

    library: Any = httpx2

    def __enter__(self) -> Httpx2:
        self.client = self.library.Client()
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def open(self, url: str) -> Any:
        """An open response whose body is not read."""
        return self.client.send(self.client.build_request("POST", url, json={}), stream=True)

    def closed(self, response: Any) -> bool:
        """Whether the response is closed."""
        return bool(response.is_closed)


class Httpx(Httpx2):
    """httpx."""

    library = httpx


class Requests(Httpx2):
    """requests."""

    def __enter__(self) -> Requests:
        self.client = requests.Session()
        return self

    def open(self, url: str) -> Any:
        """An open response whose body is not read."""
        return self.client.post(url, json={}, stream=True)

    def closed(self, response: Any) -> bool:
        """Whether the response is closed."""
        return bool(response.raw.closed)


SYNC = [Httpx2, Httpx, Requests]
DELIMITERS: list[Delimiter] = ["chunked", "close", "length"]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("kind", SYNC)
def test_bytes_are_read_as_they_arrive(kind: type[Httpx2], delimiter: Delimiter) -> None:
    """Each message is there before the next is sent, however the body is delimited."""
    with SteppedServer([chunk("a"), chunk("b"), DONE], delimiter=delimiter) as server, kind() as http:
        response = http.open(server.url + PATH)
        stream = stream_response(response)
        assert isinstance(stream, StreamedChatMessageIterator)
        messages = iter(stream)
        for text in ("a", "b"):
            server.step()
            assert next(messages).text == text
        server.all()
        assert list(messages) == []
        assert (stream.status, http.closed(response)) == ("complete", True)


@pytest.mark.parametrize("kind", SYNC)
def test_leaving_early_closes_the_response(kind: type[Httpx2]) -> None:
    """break closes the response and with it the connection."""
    with SteppedServer([chunk("a"), DONE]) as server, kind() as http:
        response = http.open(server.url + PATH)
        server.step()
        for _ in stream_response(response):
            break
        assert http.closed(response)
        assert server.left.wait(10)


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("kind", SYNC)
def test_a_cut_is_an_error(kind: type[Httpx2], delimiter: Delimiter) -> None:
    """A body that breaks off is never complete; what arrived is readable."""
    with SteppedServer([chunk("a"), DONE], delimiter=delimiter, cut=True) as server, kind() as http:
        server.all()
        stream = stream_response(http.open(server.url + PATH))
        # Where the connection's end is the body's end, only the missing event shows it.
        kind_of_error = TruncatedStreamError if delimiter == "close" else ConnectionFailedError
        with pytest.raises(kind_of_error):
            list(stream)
        assert (stream.status, stream.text) == ("failed", "a")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("kind", SYNC)
def test_content_encoding_is_taken_off_as_it_arrives(kind: type[Httpx2], coding: str) -> None:
    """A compressed stream that is flushed at each event is read at each event."""
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    pieces = [packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for data in (chunk("a"), chunk("b"))]
    pieces.append(packer.compress(DONE) + packer.flush())
    headers = ["content-type: text/event-stream", f"content-encoding: {coding}"]
    with SteppedServer(pieces, headers=headers) as server, kind() as http:
        messages = iter(stream_response(http.open(server.url + PATH)))
        for text in ("a", "b"):
            server.step()
            assert next(messages).text == text
        server.all()
        assert list(messages) == []


@pytest.mark.parametrize("kind", SYNC)
def test_a_broken_coding_is_named(kind: type[Httpx2]) -> None:
    """A body that contradicts its content-encoding is a DecodeError."""
    headers = ["content-type: text/event-stream", "content-encoding: gzip"]
    with SteppedServer([b"not gzip at all"], headers=headers) as server, kind() as http:
        server.all()
        with pytest.raises(DecodeError, match="content-encoding is broken"):
            list(stream_response(http.open(server.url + PATH)))


@pytest.mark.parametrize("kind", SYNC)
def test_an_error_status_raises_at_once(kind: type[Httpx2]) -> None:
    """The provider's error is read and typed, and the response closed."""
    body = b'{"error": {"message": "No such model"}}'
    headers = ["content-type: application/json", "x-request-id: req_1"]
    with SteppedServer([body], status=404, headers=headers) as server, kind() as http:
        server.all()
        response = http.open(server.url + PATH)
        with pytest.raises(NotFoundError, match="No such model") as caught:
            stream_response(response)
        assert caught.value.request_id == "req_1"
        assert http.closed(response)


@pytest.mark.parametrize("kind", SYNC)
def test_a_body_that_was_read_whole_still_streams(kind: type[Httpx2]) -> None:
    """A response that was loaded before has its body kept by the client."""
    with SteppedServer([chunk("a"), DONE], delimiter="length") as server, kind() as http:
        server.all()
        response = http.open(server.url + PATH)
        assert response.content if kind is Requests else response.read()
        assert [message.text for message in stream_response(response)] == ["a"]


@pytest.mark.parametrize("kind", SYNC)
def test_a_body_that_is_gone_is_named(kind: type[Httpx2]) -> None:
    """Reading the bytes of a response twice is refused."""
    with SteppedServer([chunk("a"), DONE], delimiter="length") as server, kind() as http:
        server.all()
        response = http.open(server.url + PATH)
        list(response.iter_content(10) if kind is Requests else response.iter_bytes())
        with pytest.raises(TokentapeError, match="was read already"):
            stream_response(response)


def opened_async(library: Any, url: str) -> Any:
    """An async context manager that gives an open response."""
    if library is aiohttp:
        session = aiohttp.ClientSession()

        class Opened:
            async def __aenter__(self) -> Any:
                return await session.post(url, json={})

            async def __aexit__(self, *error: object) -> None:
                await session.close()

        return Opened()
    client = library.AsyncClient()

    class OpenedHttpx:
        async def __aenter__(self) -> Any:
            return await client.send(client.build_request("POST", url, json={}), stream=True)

        async def __aexit__(self, *error: object) -> None:
            await client.aclose()

    return OpenedHttpx()


ASYNC = [httpx2, httpx, aiohttp]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("library", ASYNC)
def test_async_bytes_are_read_as_they_arrive(library: Any, delimiter: Delimiter) -> None:
    """The async clients give the async iterator, with the same promise."""

    async def main(server: SteppedServer) -> None:
        async with opened_async(library, server.url + PATH) as response:
            stream = stream_response(response)
            assert isinstance(stream, AsyncStreamedChatMessageIterator)
            messages = aiter(stream)
            for text in ("a", "b"):
                server.step()
                assert (await anext(messages)).text == text
            server.all()
            assert [message async for message in messages] == []
            assert stream.status == "complete"

    with SteppedServer([chunk("a"), chunk("b"), DONE], delimiter=delimiter) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("library", ASYNC)
def test_async_leaving_early_closes_the_response(library: Any) -> None:
    """aclose() closes the response and with it the connection."""

    async def main(server: SteppedServer) -> None:
        async with opened_async(library, server.url + PATH) as response:
            server.step()
            async with stream_response(response) as stream:
                async for _ in stream:
                    break
            assert response.closed if library is aiohttp else response.is_closed
            assert await asyncio.to_thread(server.left.wait, 10)

    with SteppedServer([chunk("a"), DONE]) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("library", ASYNC)
def test_an_async_cut_is_an_error(library: Any, delimiter: Delimiter) -> None:
    """A body that breaks off is never complete."""

    async def main(server: SteppedServer) -> None:
        async with opened_async(library, server.url + PATH) as response:
            stream = stream_response(response)
            kind = TruncatedStreamError if delimiter == "close" else ConnectionFailedError
            with pytest.raises(kind):
                [message async for message in stream]
            assert (stream.status, stream.text) == ("failed", "a")

    with SteppedServer([chunk("a"), DONE], delimiter=delimiter, cut=True) as server:
        server.all()
        asyncio.run(main(server))


@pytest.mark.parametrize("library", ASYNC)
def test_an_async_error_status_raises_at_the_first_step(library: Any) -> None:
    """Nothing can be awaited before; the error is as typed, and it is the stream's."""

    async def main(server: SteppedServer) -> None:
        async with opened_async(library, server.url + PATH) as response:
            stream = stream_response(response)
            with pytest.raises(RateLimitError, match="Slow down"):
                [message async for message in stream]
            assert stream.status == "failed"

    headers = ["content-type: application/json", "content-encoding: gzip"]
    body = gzip.compress(b'{"error": {"message": "Slow down"}}')
    with SteppedServer([body], status=429, headers=headers) as server:
        server.all()
        asyncio.run(main(server))


def test_an_aiohttp_body_that_was_read_still_streams() -> None:
    """aiohttp keeps a body that was read."""

    async def main(server: SteppedServer) -> None:
        async with opened_async(aiohttp, server.url + PATH) as response:
            await response.read()
            assert [message.text async for message in stream_response(response)] == ["a"]

    with SteppedServer([chunk("a"), DONE]) as server:
        server.all()
        asyncio.run(main(server))


def plain_response(url: str, **options: Any) -> httpx2.Response:
    """A response that was read, from this URL."""
    return httpx2.Response(200, request=httpx2.Request("POST", url), **options)


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        ("/openai/v1/chat/completions", "openai_chat"),
        ("/openai/deployments/m/chat/completions?api-version=1", "openai_chat"),
        ("/s/7/v1/messages", "anthropic_messages"),
        ("/v1/projects/p/publishers/anthropic/models/m:streamRawPredict", "anthropic_messages"),
    ],
)
def test_the_wire_is_seen_in_the_url(path: str, wire: str) -> None:
    """The URL of the endpoint determines the format."""
    body = {
        "openai_chat": chunk("a") + DONE,
        "anthropic_messages": b'data: {"type":"content_block_delta","index":0,"delta":'
        b'{"type":"text_delta","text":"a"}}\n\ndata: {"type":"message_stop"}\n\n',
    }[wire]
    stream = stream_response(plain_response(f"http://host{path}", content=body))
    assert "".join(message.text for message in stream) == "a"


def test_an_unknown_url_needs_the_wire() -> None:
    """Nothing is guessed for an unknown URL; an unknown wire is named."""
    response = plain_response("http://host/proxy", content=chunk("a") + DONE)
    with pytest.raises(UnknownWireError, match=r"for the URL path '/proxy': pass wire=, one of .*openai_chat"):
        stream_response(response)
    with pytest.raises(UnknownWireError, match="unknown wire format 'morse'"):
        stream_response(response, "morse")
    assert [message.text for message in stream_response(response, "openai_chat")] == ["a"]


@pytest.mark.parametrize("value", [None, b"data", "data", 3, {"a": 1}, object()])
@pytest.mark.parametrize("function", [stream_response, wrap])
def test_anything_else_is_refused_with_what_is_taken(function: Callable[[Any], Any], value: Any) -> None:
    """The error names the type and what would be accepted."""
    with pytest.raises(TokentapeError, match=rf"{type(value).__name__}[ :].*pass"):
        function(value)
