"""Streams of the official SDKs as sources: their bytes, or their events where there are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import groq
import httpx2
import openai
import pytest
from mistralai.client import Mistral

from tests.tokentape.openai_chunks import Opened
from tokentape import (
    AsyncStreamedChatMessageIterator,
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
