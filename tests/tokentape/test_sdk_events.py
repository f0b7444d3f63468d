"""Streams of official SDKs whose bytes can't be reached: their typed events, over a socket."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import anthropic
import cohere
import httpx
import httpx2
import ollama
import openai
import pytest

from tokentape import AsyncStreamedChatMessageIterator, ReasoningPart, StreamedChatMessageIterator, wrap
from tokentape_fake_provider import Reasoning, Script, Text, ToolCall, Usage
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_harness.testing.fake_provider import FakeProvider

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google import genai

QUESTION: Any = [{"role": "user", "content": "Hi"}]
SIGNATURE = "+/+/"
SCRIPT = Script.of(
    Reasoning("Hm.", signature=SIGNATURE),
    Text("Hello there"),
    ToolCall.of("look", {"at": "it"}),
    usage=Usage(input=12, output=9),
)


@contextmanager
def google(url: str) -> Iterator[Any]:
    """A stream of google-genai."""
    with httpx2.Client() as http, genai.Client(api_key="k", http_options=options(url, httpx_client=http)) as client:
        yield client.models.generate_content_stream(model="m", contents="Hi")


@asynccontextmanager
async def async_google(url: str) -> AsyncIterator[Any]:
    """Its async twin."""
    async with httpx2.AsyncClient() as http:
        client = genai.Client(api_key="k", http_options=options(url, httpx_async_client=http)).aio
        yield await client.models.generate_content_stream(model="m", contents="Hi")


@contextmanager
def google_interactions(url: str) -> Iterator[Any]:
    """A stream of google-genai's newer API, which has its response."""
    with httpx2.Client() as http, genai.Client(api_key="k", http_options=options(url, httpx_client=http)) as client:
        yield client.interactions.create(model="m", input="Hi", stream=True)


def options(url: str, **client: Any) -> dict[str, Any]:
    """The URL and the body of the request."""
    return {"base_url": url, **client}


@contextmanager
def ollama_chat(url: str) -> Iterator[Any]:
    """A stream of ollama."""
    with ollama.Client(url) as client:
        yield client.chat("m", messages=QUESTION, stream=True)


@asynccontextmanager
async def async_ollama_chat(url: str) -> AsyncIterator[Any]:
    """Its async twin."""
    async with ollama.AsyncClient(url) as client:
        yield await client.chat("m", messages=QUESTION, stream=True)


@contextmanager
def cohere_chat(url: str) -> Iterator[Any]:
    """A stream of cohere."""
    with httpx.Client() as http:
        yield cohere.ClientV2("k", base_url=url, httpx_client=http).chat_stream(model="m", messages=QUESTION)


@asynccontextmanager
async def async_cohere_chat(url: str) -> AsyncIterator[Any]:
    """Its async twin."""
    async with httpx.AsyncClient() as http:
        yield cohere.AsyncClientV2("k", base_url=url, httpx_client=http).chat_stream(model="m", messages=QUESTION)


SYNC: Mapping[str, tuple[str, Callable[[str], AbstractContextManager[Any]]]] = {
    "google-genai": ("gemini", google),
    "google-genai interactions": ("gemini_interactions", google_interactions),
    "ollama": ("ollama", ollama_chat),
    "cohere": ("cohere_chat", cohere_chat),
}
ASYNC: Mapping[str, tuple[str, Callable[[str], AbstractAsyncContextManager[Any]]]] = {
    "google-genai": ("gemini", async_google),
    "ollama": ("ollama", async_ollama_chat),
    "cohere": ("cohere_chat", async_cohere_chat),
}


def check(stream: Any, wire: str) -> None:
    """The stream's output has the content of SCRIPT."""
    output = stream.get_chat_output()
    message = output.message
    assert (stream.status, message.text, message.reasoning) == ("complete", "Hello there", "Hm.")
    assert [(call.name, call.arguments) for call in message.tool_calls] == [("look", {"at": "it"})]
    assert (output.finish_reason, output.usage.input, output.usage.output) == ("tool_calls", 12, 9)
    if wire == "gemini":
        # The SDK has signatures as bytes; the provider's base64 is not the URL-safe one.
        assert SIGNATURE in [part.signature for part in message.parts if isinstance(part, ReasoningPart)]
    assert "sdkHttpResponse" not in output.metadata


@pytest.mark.parametrize("name", list(SYNC))
def test_sdk_streams_without_bytes_are_read_from_their_events(name: str, fake_provider: FakeProvider) -> None:
    """wrap() finds the wire format by the first event, and gives the whole output."""
    wire, open_stream = SYNC[name]
    fake_provider.script(SCRIPT)
    with open_stream(fake_provider.base_url(wire)) as sdk_stream:
        stream = wrap(sdk_stream)
        assert isinstance(stream, StreamedChatMessageIterator)
        assert "".join(message.text for message in stream) == "Hello there"
        check(stream, wire)


@pytest.mark.parametrize("name", list(ASYNC))
def test_async_sdk_streams_without_bytes_are_read_from_their_events(name: str, fake_provider: FakeProvider) -> None:
    """The async objects give the async iterator."""
    wire, open_stream = ASYNC[name]
    fake_provider.script(SCRIPT)

    async def main() -> None:
        async with open_stream(fake_provider.base_url(wire)) as sdk_stream:
            stream = wrap(sdk_stream)
            assert isinstance(stream, AsyncStreamedChatMessageIterator)
            assert "".join([message.text async for message in stream]) == "Hello there"
            check(stream, wire)

    asyncio.run(main())


def test_lone_surrogates_in_typed_events_are_read() -> None:
    """SDKs that parse with Python's own parser hand out halves of pairs: they become U+FFFD, as in the bytes."""
    sent = json.loads('{"choices":[{"index":0,"delta":{"content":"a\\ud83d"},"finish_reason":"stop"}]}')
    stream = wrap(iter([openai.types.chat.ChatCompletionChunk.construct(**sent)]))
    assert [message.text for message in stream] == ["a\ufffd"]


FIRST = {
    "google-genai": b'data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"a"}]}}]}\r\n\r\n',
    "ollama": b'{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n',
    "cohere": b"event: content-delta\n"
    b'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}\n\n',
}


@pytest.mark.parametrize("name", list(FIRST))
@pytest.mark.parametrize("how", ["break", "close"])
def test_leaving_the_loop_breaks_off_the_sdks_request(name: str, how: str) -> None:
    """The SDK's own stream is closed, which ends its connection: the server sees its client leave."""
    wire, open_stream = SYNC[name]
    media_type = "application/x-ndjson" if wire == "ollama" else "text/event-stream"
    with FakeProviderServer(clock=ControlledClock()) as server:
        server.default.configure(timing=Recorded())
        frames = (Frame(0, FIRST[name]), Frame(1e9, FIRST[name]))
        server.default.push(Tape(frames, 200, (("content-type", media_type),)))
        with open_stream(server.base_url(wire)) as sdk_stream:
            stream = wrap(sdk_stream)
            for message in stream:
                assert message.text == "a"
                if how == "close":
                    stream.close()
                break
            (entry,) = server.default.journal.wait()
    assert (stream.status, stream.text, entry.outcome) == ("cancelled", "a", "client_left")


class Around:
    """What an instrumentation puts around a stream: `seen` has what was read through it, at last `None`."""

    def __init__(self, stream: Any, name: str) -> None:
        self.__dict__[name] = stream
        self.stream = lambda: self.__dict__[name]
        self.seen: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream(), name)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        event = next(self.stream(), None)
        self.seen.append(event)
        if event is None:
            raise StopIteration
        return event

    def __aiter__(self) -> Any:  # also of a sync stream, as in OpenTelemetry's own
        return self

    async def __anext__(self) -> Any:
        event = await anext(self.stream(), None)
        self.seen.append(event)
        if event is None:
            raise StopAsyncIteration
        return event


class Subclass(openai.Stream[Any]):
    """A stream class that an instrumentation has put in place of the SDK's."""

    seen: list[Any]

    def __next__(self) -> Any:
        self.seen.append(None)
        self.seen[-1] = super().__next__()
        return self.seen[-1]

    def __iter__(self) -> Any:
        return iter(self.__next__, object())


@pytest.mark.parametrize("kind", ["__wrapped__", "held", "subclass"])
def test_an_instrumentation_sees_what_is_read(fake_provider: FakeProvider, kind: str) -> None:
    """What wraps an SDK's stream is read through, to the end of it: else it would never record the response."""
    fake_provider.script("Hello there")
    with openai.OpenAI(base_url=fake_provider.base_url("openai_chat"), api_key="k") as client:
        stream: Any = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        if kind == "subclass":
            stream.__class__, stream.seen = Subclass, []
        else:
            stream = Around(stream, kind)
        assert "".join(message.text for message in wrap(stream)) == "Hello there"
    assert stream.seen[-1] is None
    assert stream.seen[-2].choices[0].finish_reason == "stop"


def test_an_instrumentation_sees_what_is_read_async(fake_provider: FakeProvider) -> None:
    """The same for an async stream."""
    fake_provider.script("Hello there")

    async def read() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=fake_provider.base_url("openai_chat"), api_key="k") as client:
            stream = await client.chat.completions.create(model="m", messages=QUESTION, stream=True)
            around = Around(stream, "__wrapped__")
            assert "".join([message.text async for message in wrap(around)]) == "Hello there"
        return around.seen

    assert asyncio.run(read())[-1] is None


def test_the_sdk_s_own_telemetry_sees_what_is_read(fake_provider: FakeProvider) -> None:
    """Where Anthropic's SDK records the span of a stream, its observer gets each event and the end."""
    received: list[str] = []

    class Observer:
        def begin(self) -> None:
            received.append("begin")

        def item(self, item: Any) -> None:
            received.append(item.type)

        def end(self, how: str, error: BaseException | None = None) -> None:
            received.append(how)

    fake_provider.script("Hello there")
    with anthropic.Anthropic(base_url=fake_provider.base_url("anthropic_messages"), api_key="k") as client:
        stream: Any = client.messages.create(model="m", max_tokens=9, messages=QUESTION, stream=True)
        stream.response.stream.stream_observer = Observer()
        assert "".join(message.text for message in wrap(stream)) == "Hello there"
    assert received[:2] == ["begin", "message_start"]
    assert "message_stop" in received
    assert received[-1] in ("read", "closed")
