"""Errors of providers, gateways and connections, as the clients raise them."""

from __future__ import annotations

import asyncio
import ssl

import httpx2
import pytest

from tests.tokentape.provider_calls import KEY, client
from tokentape import (
    ConnectionFailedError,
    DecodeError,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
    TruncatedStreamError,
)
from tokentape.providers import OpenAIChat
from tokentape.providers.base import ChatProvider
from tokentape_fake_provider import Error, FakeProviderServer, Frame, Tape
from tokentape_harness.testing.fake_provider import FakeProvider

__all__ = ["client"]


def test_http_errors_are_typed_and_keep_the_key_out(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """An error status raises at chat(), with status, request id and retry-after, streaming or not."""
    for _ in range(4):
        fake_provider.script(error=Error(429, f"Slow down, {KEY}!", retry_after=3))
    for stream in (True, False):
        with pytest.raises(RateLimitError, match=r"429 .*Slow down, \[redacted\]!") as caught:
            client.chat("Hi", stream=stream)
        assert (caught.value.status, caught.value.retry_after) == (429, 3.0)
        assert caught.value.request_id

        async def chat(stream: bool = stream) -> None:
            async with client:
                await client.achat("Hi", stream=stream)

        with pytest.raises(RateLimitError) as acaught:
            asyncio.run(chat())
        assert KEY not in repr((acaught.value, acaught.value.body, acaught.value.headers))


def test_an_error_in_the_stream_is_typed_too(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """What arrived before it stays readable."""
    for _ in range(2):
        fake_provider.script("Hel", error=Error(529, "Overloaded", type="overloaded_error", in_stream=True))
    stream = client.chat("Hi", stream=True).normalized
    with pytest.raises(ProviderError, match="Overloaded"):
        list(stream)
    assert (stream.status, stream.get_chat_output().text) == ("failed", "Hel")

    async def read() -> None:
        async with client:
            astream = (await client.achat("Hi", stream=True)).normalized
            with pytest.raises(ProviderError, match="Overloaded"):
                [message async for message in astream]
            assert (astream.status, astream.get_chat_output().text) == ("failed", "Hel")

    asyncio.run(read())


def test_a_connection_cut_in_the_stream_is_named(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """A body that breaks off raises ConnectionFailedError with the transport's error as its cause."""
    for _ in range(2):
        fake_provider.script(
            Tape((Frame(0, b": hello\n\n"),), headers=(("content-type", "text/event-stream"),), end="dropped")
        )
    with pytest.raises(ConnectionFailedError, match="while reading the response") as caught:
        list(client.chat("Hi", stream=True).normalized)
    assert isinstance(caught.value.__cause__, httpx2.RemoteProtocolError)

    async def read() -> None:
        async with client:
            with pytest.raises(ConnectionFailedError):
                [message async for message in (await client.achat("Hi", stream=True)).normalized]

    asyncio.run(read())


def test_a_clean_end_without_the_terminal_event_is_named(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """A proxy that launders a cut into a clean end does not make the stream complete."""
    fake_provider.script(Tape((Frame(0, b": hello\n\n"),), headers=(("content-type", "text/event-stream"),)))
    with pytest.raises(TruncatedStreamError):
        list(client.chat("Hi", stream=True).normalized)


def test_a_page_of_a_proxy_is_not_a_stream(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """HTML under 200 is refused at chat(), with its beginning and what to look at."""
    page = Tape((Frame(0, b"<html> Please log in </html>"),), headers=(("content-type", "text/html"),))
    for stream in (True, False):
        fake_provider.script(page)
        with pytest.raises(DecodeError, match=r"got text/html: '<html> Please log in </html>'. Is the base URL"):
            client.chat("Hi", stream=stream)


def test_an_error_body_under_200_is_an_error(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """A gateway's status 200 with an error object raises, streamed or not."""
    body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded", "code": 529}}'
    tape = Tape((Frame(0, body),), headers=(("content-type", "application/json"),))
    fake_provider.script(tape)
    with pytest.raises(ProviderError, match="Overloaded"):
        list(client.chat("Hi", stream=True).normalized)
    fake_provider.script(tape)
    with pytest.raises(ProviderError, match="Overloaded"):
        client.chat("Hi")


def test_a_whole_response_to_a_stream_request_is_read(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """A gateway that ignores `stream` costs the arriving, not the answer."""
    fake_provider.script("Whole")
    whole = httpx2.post(
        fake_provider.base_url(client.wire) + client.path,
        json={"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    )
    assert whole.status_code == 200
    fake_provider.script(Tape((Frame(0, whole.content),), headers=(("content-type", "application/json"),)))
    stream = client.chat("Hi", stream=True).normalized
    assert "".join(message.text for message in stream) == "Whole"
    assert (stream.status, stream.finish_reason) == ("complete", "stop")


def test_what_is_no_json_is_named(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """A body that can't be read is a DecodeError, never a traceback of the JSON parser."""
    fake_provider.script(Tape((Frame(0, b"oops"),), headers=(("content-type", "application/json"),)))
    with pytest.raises(DecodeError, match="oops"):
        client.chat("Hi")


def test_no_one_there_is_a_connection_error() -> None:
    """A refused connection is ours, chained, and shows neither key nor password."""
    with FakeProviderServer() as server:
        port = server.port
    client = OpenAIChat("m", api_key=KEY, base_url=f"http://user:hunter2@127.0.0.1:{port}/v1")
    with (
        client,
        pytest.raises(ConnectionFailedError, match=rf"requesting http://127\.0\.0\.1:{port}/v1/chat") as caught,
    ):
        client.chat("Hi")
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)
    assert not isinstance(caught.value, RequestTimeoutError)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConnectionFailedError):
        asyncio.run(client.achat("Hi"))


def test_a_timeout_is_named() -> None:
    """A provider that takes too long raises RequestTimeoutError."""

    def late(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("too late", request=request)

    with httpx2.Client(transport=httpx2.MockTransport(late)) as http:
        client = OpenAIChat("m", api_key=KEY, http_client=http)
        with pytest.raises(RequestTimeoutError, match=r"timed out while requesting https://api\.openai\.com/"):
            client.chat("Hi")


def test_timeouts_are_the_calls_else_the_clients_else_the_http_clients() -> None:
    """A timeout is an option of the transport and never goes into the body."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})

    with httpx2.Client(transport=httpx2.MockTransport(answer), timeout=7) as http:
        OpenAIChat("m", api_key=KEY, http_client=http).chat("Hi")
        OpenAIChat("m", api_key=KEY, http_client=http, timeout=8).chat("Hi")
        OpenAIChat("m", api_key=KEY, http_client=http, timeout=8).chat("Hi", timeout=9)
        OpenAIChat("m", api_key=KEY, http_client=http, timeout=None).chat("Hi")
    assert [request.extensions["timeout"]["read"] for request in sent] == [7, 8, 9, None]
    assert not any(b"timeout" in request.content for request in sent)


def test_a_tls_error_is_a_connection_error() -> None:
    """What the transport wraps is named in the message."""

    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("certificate verify failed", request=request) from ssl.SSLError("bad")

    with httpx2.Client(transport=httpx2.MockTransport(refuse)) as http:
        client = OpenAIChat("m", api_key=KEY, http_client=http)
        with pytest.raises(ConnectionFailedError, match="certificate verify failed"):
            client.chat("Hi")
