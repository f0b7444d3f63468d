"""The provider clients against the fake provider, over a real socket."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.tokentape.stepped_server import SteppedServer
from tokentape import (
    ChatMessage,
    ConfigurationError,
    ConnectionFailedError,
    DecodeError,
    OverloadedError,
    PostStreamingResponseEvent,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
    TruncatedStreamError,
    post_streaming_response,
)
from tokentape.providers import AnthropicMessages, OpenAIChat, Tool
from tokentape.providers.base import ChatProvider
from tokentape_fake_provider import Error, FakeProviderServer, Frame, Reasoning, Script, Tape, Text, Usage
from tokentape_fake_provider import ToolCall as ScriptedCall
from tokentape_harness.testing.fake_provider import FakeProvider

KEY = "sk-a-secret-key"
WIRES = {"openai_chat": OpenAIChat, "anthropic_messages": AnthropicMessages}


@pytest.fixture(params=sorted(WIRES))
def client(request: pytest.FixtureRequest, fake_provider: FakeProvider) -> Iterator[ChatProvider]:
    """A client of each provider, pointed at the fake one."""
    with WIRES[request.param]("some-model", api_key=KEY, base_url=fake_provider.base_url(request.param)) as client:
        yield client


def both(client: ChatProvider, messages: Any, **options: Any) -> list[Any]:
    """What `chat` and `achat` return, streams read to their end: [sync texts or output, async ones]."""

    async def aread() -> Any:
        async with client:
            response = await client.achat(messages, **options)
            if not options.get("stream"):
                return response
            return [message.text async for message in response.normalized], response.normalized

    response = client.chat(messages, **options)
    if not options.get("stream"):
        return [response, asyncio.run(aread())]
    return [([message.text for message in response.normalized], response.normalized), asyncio.run(aread())]


def test_a_stream_is_an_iterator_of_messages(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """chat(stream=True).normalized yields the provider's chunks, then has usage, finish reason and output."""
    script = Script.of(Text("Hello 0 there"), usage=Usage(input=7, output=4, cached=2))
    fake_provider.script(script)
    fake_provider.script(script)
    for texts, stream in both(client, "Hi", stream=True):
        assert "".join(texts) == "Hello 0 there"
        assert (stream.usage.input, stream.usage.output, stream.usage.cached) == (7, 4, 2)
        assert (stream.status, stream.finish_reason) == ("complete", "stop")
        assert stream.get_chat_output().text == "Hello 0 there"
    assert [entry.body["stream"] for entry in fake_provider.requests] == [True, True]
    assert [entry.outcome for entry in fake_provider.journal.wait()] == ["complete", "complete"]


def test_without_streaming_there_is_an_output(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """chat() returns a ChatOutput whose normalized is the whole message."""
    script = Script.of(Reasoning("hm", signature="s"), Text("Hi."), ScriptedCall.of("f", {"a": 1}))
    fake_provider.script(script)
    fake_provider.script(script)
    for output in both(client, "Hi", tools=[Tool("f")]):
        assert (output.text, output.finish_reason) == ("Hi.", "tool_calls")
        assert output.normalized is output.message
        assert [(call.name, call.arguments) for call in output.message.tool_calls] == [("f", {"a": 1})]
        assert output.usage.total == output.usage.input + output.usage.output


def test_a_follow_up_request_takes_the_message_back(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """A tool call's message and its result go into the next request, which a callback can send."""
    fake_provider.script(ScriptedCall.of("weather", {"city": "Ulm"}))
    fake_provider.script("12 C in Ulm")
    question = ChatMessage.user("Weather in Ulm?")
    stream = client.chat([question], stream=True, tools=[Tool("weather")]).normalized

    def answer(message: ChatMessage) -> Any:
        result = ChatMessage.tool("12 C", tool_call_id=message.tool_calls[0].id)
        return client.chat([question, message, result], stream=True)

    stream.add_callback(answer)
    assert "".join(message.text for message in stream) == "12 C in Ulm"
    fake_provider.assert_all_played()


def test_the_event_knows_the_request(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """Thread id, provider, model, configuration, input, tags and metadata reach the listener."""
    fake_provider.script("Hi")
    events: list[PostStreamingResponseEvent] = []

    def listen(sender: object, event: PostStreamingResponseEvent) -> None:
        events.append(event)

    stream = client.chat(
        [ChatMessage.user("Hello")],
        stream=True,
        thread_id="thread-1",
        tags=["a"],
        metadata={"user": 7},
        temperature=0.5,
    ).normalized
    with post_streaming_response.connected_to(listen, stream):
        assert list(stream)
    (event,) = events
    assert (event.request_thread_id, event.provider, event.model) == ("thread-1", client.provider, "some-model")
    assert (event.tags, event.metadata["user"]) == (("a",), 7)
    assert event.input == (ChatMessage.user("Hello"),)
    assert event.configuration["temperature"] == 0.5
    assert "messages" not in event.configuration


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


class CountingStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that counts how often it is closed."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.read = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.read += 1
            yield chunk

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for chunk in self.chunks:
            self.read += 1
            yield chunk

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def chunk(text: str) -> bytes:
    """One event of Chat Completions."""
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()


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


def test_tokens_are_seen_as_they_arrive() -> None:
    """Each message is there when its bytes are, not when the response is complete."""
    with (
        SteppedServer([chunk("a"), chunk("b"), b"data: [DONE]\n\n"]) as server,
        OpenAIChat("m", api_key=KEY, base_url=server.url) as client,
    ):
        messages = iter(client.chat("Hi", stream=True).normalized)
        server.step()
        assert next(messages).text == "a"
        server.step()
        assert next(messages).text == "b"
        server.step()
        assert list(messages) == []


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


@pytest.mark.parametrize(
    ("given", "environment", "url"),
    [
        (None, None, "https://api.openai.com/v1/chat/completions"),
        (None, "", "https://api.openai.com/v1/chat/completions"),
        (None, "http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("http://h:2/base?api-version=1", "http://h:1/v1", "http://h:2/base/chat/completions?api-version=1"),
    ],
)
def test_openai_settings_come_from_its_variables(
    given: str | None, environment: str | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of the official SDK hold; what is passed wins."""
    for name, value in {
        "OPENAI_API_KEY": "sk-from-environment",
        "OPENAI_BASE_URL": environment,
        "OPENAI_ORG_ID": "org-1",
        "OPENAI_PROJECT_ID": "proj-1",
        "OPENAI_CUSTOM_HEADERS": "X-Team: blue\nx-empty:\nnonsense",
    }.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        client = OpenAIChat("m", base_url=given, http_client=http, headers={"x-mine": "1"})
        assert client.chat("Hi", extra_headers={"x-call": "2"}).text == "Hi"
    (request,) = sent
    assert str(request.url) == url
    assert {
        name: request.headers[name]
        for name in ("authorization", "openai-organization", "openai-project", "x-team", "x-mine", "x-call")
    } == {
        "authorization": "Bearer sk-from-environment",
        "openai-organization": "org-1",
        "openai-project": "proj-1",
        "x-team": "blue",
        "x-mine": "1",
        "x-call": "2",
    }


def test_anthropic_settings_come_from_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes before the token; version and betas are headers."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://h:1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-from-environment")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-from-environment")
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"type": "message", "content": [{"type": "text", "text": "Hi"}]})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        assert AnthropicMessages("m", http_client=http).chat("Hi", betas=["b-1", "b-2"]).text == "Hi"
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        AnthropicMessages("m", http_client=http).chat("Hi")
    assert [str(request.url) for request in sent] == ["http://h:1/v1/messages"] * 2
    assert [request.headers["authorization"] for request in sent] == [
        "Bearer key-from-environment",
        "Bearer token-from-environment",
    ]
    assert sent[0].headers["anthropic-version"]
    assert sent[0].headers["anthropic-beta"] == "b-1,b-2"
    assert b"betas" not in sent[0].content


def test_clients_of_the_wrong_kind_are_named() -> None:
    """A sync client passed for async calls, or the reverse, is an error that names the right class."""
    with pytest.raises(ConfigurationError, match=r"http_client is .*AsyncClient: pass an httpx2\.Client"):
        OpenAIChat("m", api_key=KEY, http_client=httpx2.AsyncClient())  # type: ignore[arg-type]
    with (
        httpx2.Client() as http,
        pytest.raises(ConfigurationError, match=r"async_http_client is .*: pass an httpx2\.AsyncClient"),
    ):
        OpenAIChat("m", api_key=KEY, async_http_client=http)  # type: ignore[arg-type]


def test_one_client_works_in_several_event_loops(client: ChatProvider, fake_provider: FakeProvider) -> None:
    """A connection belongs to the loop that opened it: each loop has connections of its own."""
    fake_provider.script("one")
    fake_provider.script("two")
    with asyncio.Runner() as first, asyncio.Runner() as second:

        async def chat() -> str:
            return (await client.achat("Hi")).text

        assert [first.run(chat()), second.run(chat())] == ["one", "two"]
        assert len(client._own_async_clients) == 2
        first.run(client.aclose())
        second.run(client.aclose())
        assert not client._own_async_clients


def test_a_tls_error_is_a_connection_error() -> None:
    """What the transport wraps is named in the message."""

    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("certificate verify failed", request=request) from ssl.SSLError("bad")

    with httpx2.Client(transport=httpx2.MockTransport(refuse)) as http:
        client = OpenAIChat("m", api_key=KEY, http_client=http)
        with pytest.raises(ConnectionFailedError, match="certificate verify failed"):
            client.chat("Hi")
