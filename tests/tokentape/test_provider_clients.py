"""Clients of providers: streams, outputs, follow-up requests, and what a listener learns."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.tokentape.openai_chunks import chunk
from tests.tokentape.provider_calls import KEY, both, client
from tests.tokentape.stepped_server import SteppedServer
from tokentape import (
    ChatMessage,
    PostStreamingResponseEvent,
    post_streaming_response,
)
from tokentape.providers import OpenAIChat, Tool
from tokentape.providers.base import ChatProvider
from tokentape_fake_provider import Reasoning, Script, Text, Usage
from tokentape_fake_provider import ToolCall as ScriptedCall
from tokentape_harness.testing.fake_provider import FakeProvider

__all__ = ["client"]


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
