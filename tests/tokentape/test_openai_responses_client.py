"""The clients for OpenAI's responses and legacy completions: what they send, and what they make of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from tokentape import (
    ChatMessage,
    ChatOutput,
    ConfigurationError,
    PostStreamingResponseEvent,
    ProviderPart,
    RateLimitError,
    ReasoningPart,
    ServerError,
    TextPart,
    ToolCall,
    post_streaming_response,
    wrap,
)
from tokentape.providers import OpenAICompletions, OpenAIResponses, Tool
from tokentape.providers.responses_request import responses_input, responses_tools
from tokentape_fake_provider import Error, Reasoning, Script, Text, Usage
from tokentape_fake_provider import ToolCall as SaidCall
from tokentape_harness.testing.fake_provider import FakeProvider

CALL = ToolCall("call_1", "weather", {"city": "Ulm"}, '{"city": "Ulm"}')
RUN = ToolCall("call_2", "run", {}, "print('hi')", valid=False)
CUSTOM = {"type": "custom", "name": "run"}


@pytest.fixture
def client(fake_provider: FakeProvider) -> Iterator[OpenAIResponses]:
    """A client that is pointed at the fake provider."""
    with OpenAIResponses("m", api_key="sk-a-secret", base_url=fake_provider.base_url("openai_responses")) as client:
        yield client


def test_every_role_becomes_an_input_item() -> None:
    """System, developer, user, assistant and tool messages become items in their order; own items pass through."""
    assert responses_input(
        [
            ChatMessage.system("Be brief."),
            ChatMessage("Use metric.", "developer"),
            ChatMessage.user("Weather?"),
            ChatMessage.assistant("I'll look.", tool_calls=(CALL,)),
            ChatMessage.tool("12 C", tool_call_id="call_1"),
            {"type": "item_reference", "id": "msg_1"},
        ]
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Use metric."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "I'll look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Ulm"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "12 C"},
        {"type": "item_reference", "id": "msg_1"},
    ]


def test_an_answer_goes_back_with_its_parts_in_their_order() -> None:
    """Reasoning is one item again, with its encrypted text; built-in tools go back whole; refusals too."""
    search = {"id": "ws_1", "status": "completed", "action": {"type": "search", "query": "ulm"}}
    message = ChatMessage.assistant(
        "Sunny.",
        refusal="No.",
        tool_calls=(CALL, RUN),
        parts=(
            ReasoningPart("One.", "rs_1", "gAAA"),
            ReasoningPart("Two.", "rs_1"),
            ProviderPart("web_search_call", search),
            TextPart("Sunny."),
            CALL,
        ),
    )
    items = responses_input([message, ChatMessage.tool("ok", tool_call_id="call_2")], [CUSTOM])
    assert items == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
            "encrypted_content": "gAAA",
        },
        {"type": "web_search_call", **search},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Sunny."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Ulm"}'},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "print('hi')"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "ok"},
    ]


def test_reasoning_that_the_provider_does_not_have_stays_here() -> None:
    """Another provider's signed reasoning, unsigned reasoning, and what was not stored or encrypted are left out."""

    def kinds(part: ReasoningPart, **options: Any) -> list[Any]:
        return [item.get("type") for item in responses_input([ChatMessage.assistant(parts=(part,))], **options)]

    assert kinds(ReasoningPart("Hm.", "rs_1")) == ["reasoning"]
    assert kinds(ReasoningPart("Hm.", "rs_1"), stored=False) == []
    assert kinds(ReasoningPart("Hm.", "rs_1", "gAAA"), stored=False) == ["reasoning"]
    assert kinds(ReasoningPart("Hm.", "E" * 200)) == []
    assert kinds(ReasoningPart("Hm.")) == []


def test_content_parts_of_the_user_and_of_results() -> None:
    """Images and files are content parts beside the text."""
    image = ProviderPart("input_image", {"image_url": "data:image/png;base64,AA=="})
    text = {"type": "input_text", "text": "Look:"}
    shown = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    assert responses_input(
        [
            ChatMessage.user("Look:", parts=(image,)),
            ChatMessage.user("Look:", parts=(image, TextPart("Look:"))),
            ChatMessage.tool("Look:", tool_call_id="c", parts=(image,)),
        ]
    ) == [
        {"role": "user", "content": [text, shown]},
        {"role": "user", "content": [shown, text]},
        {"type": "function_call_output", "call_id": "c", "output": [text, shown]},
    ]
    with pytest.raises(ConfigurationError, match="tool_call_id"):
        responses_input([ChatMessage.tool("x", tool_call_id="")])


def test_tools_are_flat() -> None:
    """A Tool is a function without a wrapper; a provider's own is passed through."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert responses_tools([Tool("weather", "Tells it.", schema, strict=True), {"type": "web_search"}]) == [
        {"type": "function", "name": "weather", "parameters": schema, "description": "Tells it.", "strict": True},
        {"type": "web_search"},
    ]


def test_a_conversation_goes_round(client: OpenAIResponses, fake_provider: FakeProvider) -> None:
    """The answer of a stream goes back as it came, with what the tool returned; the provider's items are the same."""
    fake_provider.script(
        Script.of(Reasoning("Hm.", "rs_abc", "gAAA"), "I'll look.", SaidCall("weather", '{"city":"Ulm"}', "call_1"))
    )
    fake_provider.script(Script.of("12 C"))
    stream = client.chat("Weather?", stream=True, tools=[Tool("weather")], store=False).normalized
    assert "".join(message.text for message in stream) == "I'll look."
    answer = stream.get_chat_output().message
    output = client.chat([ChatMessage.user("Weather?"), answer, ChatMessage.tool("12", tool_call_id="call_1")])
    assert output.text == "12 C"
    first, second = (entry.body for entry in fake_provider.requests)
    assert (first["input"], first["stream"], first["store"]) == ([{"role": "user", "content": "Weather?"}], True, False)
    assert second["input"][1:] == [
        {
            "type": "reasoning",
            "id": "rs_abc",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "gAAA",
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "I'll look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Ulm"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "12"},
    ]


def test_sync_and_async_streamed_and_whole(client: OpenAIResponses, fake_provider: FakeProvider) -> None:
    """chat and achat give the same text, usage, finish reason and model, streamed and not; the event has the input."""
    for _ in range(4):
        fake_provider.script(Script.of(Text("Hello 0"), usage=Usage(input=7, output=4, cached=2, reasoning=1)))
    events: list[PostStreamingResponseEvent] = []

    def on_event(_: Any, event: PostStreamingResponseEvent) -> None:
        events.append(event)

    async def aread() -> list[ChatOutput]:
        async with client:
            whole = await client.achat("Hi", temperature=0.5)
            stream = (await client.achat("Hi", stream=True)).normalized
            assert "".join([message.text async for message in stream]) == "Hello 0"
            return [whole, stream.get_chat_output()]

    with post_streaming_response.connected_to(on_event):
        stream = client.chat("Hi", stream=True, temperature=0.5).normalized
        assert "".join(message.text for message in stream) == "Hello 0"
        outputs = [client.chat("Hi"), stream.get_chat_output(), *asyncio.run(aread())]
    for output in outputs:
        usage = output.usage
        counts = (usage.input, usage.output, usage.total, usage.cached, usage.reasoning)
        assert (output.text, *counts) == ("Hello 0", 7, 4, 11, 2, 1)
        assert (output.finish_reason, output.provider_finish_reason, output.model) == ("stop", "completed", "m")
    first = events[0]
    assert (first.input[0].text, dict(first.configuration)) == ("Hi", {"temperature": 0.5})


def test_errors_of_the_provider_are_typed(client: OpenAIResponses, fake_provider: FakeProvider) -> None:
    """Over HTTP with status and retry-after, inside the stream with what had come."""
    fake_provider.script(Script.of(error=Error(429, "Slow down.", retry_after=2)))
    with pytest.raises(RateLimitError, match=r"Slow down\.") as caught:
        client.chat("Hi", stream=True)
    assert (caught.value.status, caught.value.retry_after) == (429, 2)
    fake_provider.script(Script.of("Half", error=Error(500, "It broke.", in_stream=True)))
    stream = client.chat("Hi", stream=True).normalized
    with pytest.raises(ServerError, match=r"It broke\.") as broken:
        list(stream)
    assert broken.value.output is not None
    assert broken.value.output.text == "Half"


def test_the_environment_of_the_official_sdk_is_read(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPENAI_API_KEY and OPENAI_BASE_URL are enough, for both clients."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.base_url("openai_responses"))
    fake_provider.script("One")
    fake_provider.script("Two")
    with OpenAIResponses("m") as responses, OpenAICompletions("m") as completions:
        assert responses.chat("Hi").text == "One"
        assert completions.chat("Hi").text == "Two"
    monkeypatch.delenv("OPENAI_API_KEY")
    for kind in (OpenAIResponses, OpenAICompletions):
        with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
            kind("m")


@pytest.mark.parametrize("stream", [False, True])
def test_completions_send_a_prompt(stream: bool, fake_provider: FakeProvider) -> None:
    """The messages' text is the prompt, a stream requests usage, and tools are refused."""
    fake_provider.script(Script.of("Once upon", finish_reason="length", usage=Usage(input=3, output=2)))
    with OpenAICompletions("m", api_key="k", base_url=fake_provider.base_url("openai_completions")) as client:
        messages = [ChatMessage.system("A story."), ChatMessage.user("It begins:")]
        answer = client.chat(messages, stream=stream, max_tokens=2)
        if isinstance(answer, ChatOutput):
            output = answer
        else:
            assert "".join(message.text for message in answer.normalized) == "Once upon"
            output = answer.normalized.get_chat_output()
        with pytest.raises(ConfigurationError, match="no tools"):
            client.chat("Hi", tools=[Tool("f")])
    assert (output.text, output.finish_reason, output.usage.total) == ("Once upon", "length", 5)
    (entry,) = fake_provider.requests
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    assert entry.body == {"model": "m", "prompt": "A story.\n\nIt begins:", "max_tokens": 2} | options


@pytest.mark.parametrize("how", ["stream", "helper", "events", "completions"])
def test_the_official_sdks_streams_are_wrapped(how: str, fake_provider: FakeProvider) -> None:
    """A Stream, the helper's stream, its typed events, and a stream of completions are read without naming the wire."""
    fake_provider.script(Script.of("Hello there", usage=Usage(input=3, output=2)))
    with (
        httpx2.Client() as http,
        openai.OpenAI(base_url=fake_provider.base_url("openai_responses"), api_key="k", http_client=http) as sdk,
    ):
        if how == "completions":
            sdk_stream: Any = sdk.completions.create(model="m", prompt="Hi", stream=True)
            stream = wrap(iter(list(sdk_stream)))
        elif how == "helper":
            with sdk.responses.stream(model="m", input="Hi") as helper:
                stream = wrap(helper)
                list(stream)
        else:
            sdk_stream = sdk.responses.create(model="m", input="Hi", stream=True)
            stream = wrap(sdk_stream if how == "stream" else iter(list(sdk_stream)))
        assert "".join(message.text for message in stream) == "Hello there"
        assert stream.finish_reason == "stop"
        if how != "completions":
            assert stream.usage.total == 5
