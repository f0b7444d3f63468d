"""Open responses of HTTP clients and stream objects of official SDKs as streams."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import anthropic
import groq
import httpx
import httpx2
import openai
import pytest
import requests
from mistralai.client import Mistral

from tests.tokentape.stepped_server import Delimiter, SteppedServer
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ConnectionFailedError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    StreamContext,
    StreamedChatMessageIterator,
    TokentapeError,
    TruncatedStreamError,
    UnknownWireError,
)
from tokentape.sources.wrapping import stream_response, wrap
from tokentape_fake_provider import Error, Reasoning, Script, Text, ToolCall
from tokentape_harness.testing.fake_provider import FakeProvider


def chunk(text: str) -> bytes:
    """One event of Chat Completions."""
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()


DONE = b"data: [DONE]\n\n"
PATH = "/v1/chat/completions"


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


QUESTION: Any = [{"role": "user", "content": "Hi"}]
SCRIPT = Script.of(Reasoning("hm", signature="sig"), Text("Hello there"), ToolCall.of("f", {"a": 1}))


def openai_raw(client: Any) -> Any:
    """stream=True of Chat Completions."""
    return client.chat.completions.create(model="m", messages=QUESTION, stream=True)


def anthropic_raw(client: Any) -> Any:
    """stream=True of Messages."""
    return client.messages.create(model="m", messages=QUESTION, stream=True, max_tokens=9)


def check(stream: Any, provider: FakeProvider, name: str) -> None:
    """The stream has the content of the script and the facts of its request, and its response was read to the end."""
    context, url = stream.context, httpx2.URL(provider.base_url())
    assert (context.provider, context.model) == (name.split()[0].replace("mistralai", "mistral"), "m")
    assert context.configuration == ({"max_tokens": 9} if context.provider == "anthropic" else {})
    assert context.url is not None
    assert context.url.startswith(f"http://127.0.0.1:{url.port}/")
    assert httpx2.URL(context.url).path.endswith(provider.requests[0].path)
    output = stream.get_chat_output()
    assert output.text == "Hello there"
    assert [(call.name, call.arguments) for call in output.message.tool_calls] == [("f", {"a": 1})]
    assert (stream.status, stream.finish_reason) == ("complete", "tool_calls")
    assert [entry.outcome for entry in provider.journal.wait()] == ["complete"]


def openai_helper(client: Any) -> Any:
    """The helper of Chat Completions, before it is entered."""
    return client.chat.completions.stream(model="m", messages=QUESTION)


def anthropic_helper(client: Any) -> Any:
    """The helper of Messages, before it is entered."""
    return client.messages.stream(model="m", messages=QUESTION, max_tokens=9)


Opened = tuple[str, Callable[[str], Any], Callable[[Any], Any]]
"""A wire format, the client for a URL, and what opens its stream."""


def sdks(openai_client: Any, anthropic_client: Any, groq_client: Any, enter: str, mistral: str) -> dict[str, Opened]:
    """What the SDKs' clients open; helpers are entered by the method `enter`, `mistral` is Mistral's method."""
    options: dict[str, Any] = {"api_key": "k", "max_retries": 0}

    def of_openai(url: str) -> Any:
        return openai_client(base_url=url, **options)

    def of_anthropic(url: str) -> Any:
        return anthropic_client(base_url=url, **options)

    return {
        "openai": ("openai_chat", of_openai, openai_raw),
        "openai helper": ("openai_chat", of_openai, lambda client: getattr(openai_helper(client), enter)()),
        "anthropic": ("anthropic_messages", of_anthropic, anthropic_raw),
        "anthropic helper": (
            "anthropic_messages",
            of_anthropic,
            lambda client: getattr(anthropic_helper(client), enter)(),
        ),
        "groq": ("openai_chat", lambda url: groq_client(base_url=url.removesuffix("/v1"), **options), openai_raw),
        "mistralai": (
            "openai_chat",
            lambda url: Mistral(api_key="k", server_url=url.removesuffix("/v1")),
            lambda client: getattr(client.chat, mistral)(model="m", messages=QUESTION),
        ),
    }


SYNC_SDKS = sdks(openai.OpenAI, anthropic.Anthropic, groq.Groq, "__enter__", "stream")
ASYNC_SDKS = sdks(openai.AsyncOpenAI, anthropic.AsyncAnthropic, groq.AsyncGroq, "__aenter__", "stream_async")


@pytest.mark.parametrize("name", SYNC_SDKS)
def test_sdk_streams_are_read_from_their_bytes(name: str, fake_provider: FakeProvider) -> None:
    """wrap() takes what the official SDK returns, helpers too, and gives the whole output."""
    wire, make, open_stream = SYNC_SDKS[name]
    fake_provider.script(SCRIPT)
    with make(fake_provider.base_url(wire)) as client:
        sdk_stream = open_stream(client)
        stream = wrap(sdk_stream, keep_raw=True)
        assert isinstance(stream, StreamedChatMessageIterator)
        list(stream)
        check(stream, fake_provider, name)
        assert stream.raw_events
        if wire == "anthropic_messages":
            assert stream.get_chat_output().message.reasoning == "hm"


@pytest.mark.parametrize("name", ASYNC_SDKS)
def test_async_sdk_streams_are_read_from_their_bytes(name: str, fake_provider: FakeProvider) -> None:
    """The async objects give the async iterator."""
    wire, make, open_stream = ASYNC_SDKS[name]
    fake_provider.script(SCRIPT)

    async def main() -> None:
        async with make(fake_provider.base_url(wire)) as client:
            stream = wrap(await open_stream(client))
            assert isinstance(stream, AsyncStreamedChatMessageIterator)
            [message async for message in stream]
            check(stream, fake_provider, name)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "body", "model", "configuration"),
    [
        ("/v1/chat/completions", b'{"model":"m","messages":[{"role":"user"}],"seed":1}', "m", {"seed": 1}),
        ("/v1beta/models/gemini-2:streamGenerateContent?key=secret", b'{"contents":[]}', "gemini-2", {}),
        ("/model/a.b%3A0/invoke-with-response-stream", b'{"max_tokens":1}', "a.b:0", {"max_tokens": 1}),
        ("/v1/chat/completions", b"no JSON", None, {}),
        ("/v1/chat/completions", b'["m"]', None, {}),
        ("/v1/chat/completions", b"\xff", None, {}),
        ("/v1/chat/completions", b'{"model":7}', None, {}),
    ],
)
def test_an_open_response_tells_of_its_request(path: str, body: bytes, model: str | None, configuration: Any) -> None:
    """The model and the options, but neither the prompt nor the key in the URL; and what is no JSON does no harm."""
    request = httpx2.Request("POST", f"https://user:pass@llm.example{path}", content=body)
    wire = "openai_chat" if "chat" in path else "gemini" if "gemini" in path else "bedrock_invoke"
    context = stream_response(httpx2.Response(200, request=request, content=b""), wire).context
    assert (context.provider, context.model, context.configuration) == (None, model, configuration)
    assert context.url == f"https://llm.example{path.partition('?')[0]}"


def test_a_context_of_the_caller_is_left_as_it_is() -> None:
    """It may say more than the request."""
    mine = StreamContext(provider="mine", model="own")
    request = httpx2.Request("POST", "https://llm.example/v1/chat/completions", content=b'{"model":"m"}')
    assert stream_response(httpx2.Response(200, request=request, content=b""), context=mine).context == mine


def test_leaving_a_wrapped_stream_closes_the_sdks_own(fake_provider: FakeProvider) -> None:
    """close() is passed on to the SDK's object once, and the response is closed."""
    fake_provider.script("Hello")
    with openai.OpenAI(api_key="k", base_url=fake_provider.base_url("openai_chat")) as client:
        sdk_stream = openai_raw(client)
        closed: list[bool] = []
        close = sdk_stream.close
        sdk_stream.close = lambda: (closed.append(True), close())
        for _ in wrap(sdk_stream):
            break
        assert closed == [True]
        assert sdk_stream.response.is_closed


def test_typed_events_are_read_where_there_are_no_bytes(fake_provider: FakeProvider) -> None:
    """An iterable of an SDK's events, as wrappers and test doubles give, is a source too."""
    fake_provider.script(SCRIPT)
    fake_provider.script(SCRIPT)
    with openai.OpenAI(api_key="k", base_url=fake_provider.base_url("openai_chat")) as client:
        events = list(openai_raw(client))
    stream = wrap(event for event in events)
    assert "".join(message.text for message in stream) == "Hello there"
    assert stream.context.provider == "openai"
    assert (stream.finish_reason, stream.usage.output) == ("tool_calls", stream.usage.output)
    assert stream.get_chat_output().message.tool_calls[0].arguments == {"a": 1}
    with anthropic.Anthropic(api_key="k", base_url=fake_provider.base_url("anthropic_messages")) as client:
        typed = list(anthropic_raw(client))

    async def main() -> None:
        async def source() -> AsyncIterator[Any]:
            for event in typed:
                yield event

        astream = wrap(source())
        assert isinstance(astream, AsyncStreamedChatMessageIterator)
        [message async for message in astream]
        output = astream.get_chat_output()
        assert (output.text, output.message.reasoning) == ("Hello there", "hm")
        assert astream.context.provider == "anthropic"
        assert output.message.tool_calls[0].arguments == {"a": 1}
        assert output.usage.output

    asyncio.run(main())


def test_typed_events_that_end_early_are_truncated() -> None:
    """The end of the events without the terminal one is an error here too; unknown events are named."""
    event = openai.types.chat.ChatCompletionChunk.model_validate(
        {
            "id": "1",
            "created": 1,
            "model": "m",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": "a"}}],
        }
    )
    stream = wrap(iter([event]))
    with pytest.raises(TruncatedStreamError):
        list(stream)
    assert stream.text == "a"
    with pytest.raises(UnknownWireError, match="a dict: pass wire="):
        list(wrap(iter([{"choices": []}])))
    with pytest.raises(TokentapeError, match="can't read a int as an event"):
        list(wrap(iter([1]), "openai_chat"))


def test_what_is_no_stream_gets_a_hint(fake_provider: FakeProvider) -> None:
    """Managers must be entered, coroutines awaited, and whole responses requested with stream=True."""
    with openai.OpenAI(api_key="k", base_url=fake_provider.base_url("openai_chat")) as client:
        with pytest.raises(TokentapeError, match="enter it first"):
            wrap(client.chat.completions.stream(model="m", messages=QUESTION))
        with pytest.raises(TokentapeError, match="made with stream=True"):
            wrap(client.chat.completions.create(model="m", messages=QUESTION))

    async def open_stream() -> None: ...

    coroutine = open_stream()
    with pytest.raises(TokentapeError, match="await it first"):
        wrap(coroutine)
    coroutine.close()


def test_errors_in_a_wrapped_stream_are_ours(fake_provider: FakeProvider) -> None:
    """An error event is typed by us, not by the SDK, and closes the SDK's stream."""
    fake_provider.script("Hel", error=Error(429, "Slow down", type="rate_limit_error", in_stream=True))
    with anthropic.Anthropic(api_key="k", base_url=fake_provider.base_url("anthropic_messages")) as client:
        sdk_stream = anthropic_raw(client)
        stream = wrap(sdk_stream)
        with pytest.raises(RateLimitError, match="Slow down"):
            list(stream)
        assert (stream.text, sdk_stream.response.is_closed) == ("Hel", True)
