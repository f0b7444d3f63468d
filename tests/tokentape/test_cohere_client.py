"""The client for Cohere: what it sends, and what it makes of the fake provider's answers over a socket."""

from __future__ import annotations

import asyncio

import pytest

from tokentape import (
    ChatMessage,
    ConfigurationError,
    ProviderError,
    ProviderPart,
    RateLimitError,
    ReasoningPart,
    TextPart,
    ToolCall,
)
from tokentape.providers import CohereChat, Tool
from tokentape.providers.cohere_request import cohere_messages
from tokentape_fake_provider import Error, Reasoning, Script, Usage
from tokentape_fake_provider import ToolCall as SaidCall
from tokentape_harness.testing.fake_provider import FakeProvider

CALL = ToolCall("weather_1", "weather", {"city": "Ulm"}, '{"city": "Ulm"}')
CITATION = {"start": 0, "end": 2, "text": "It", "sources": []}


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """CO_API_KEY and CO_API_URL are the official SDK's variables; a missing key names its own."""
    monkeypatch.delenv("CO_API_KEY", raising=False)
    monkeypatch.delenv("CO_API_URL", raising=False)
    with pytest.raises(ConfigurationError, match="set CO_API_KEY"):
        CohereChat("command-a")
    monkeypatch.setenv("CO_API_KEY", "secret-key")
    client = CohereChat("command-a", client_name="tests")
    assert repr(client) == "CohereChat('command-a', url='https://api.cohere.com/v2/chat')"
    assert client._headers == {"authorization": "Bearer secret-key", "x-client-name": "tests"}
    monkeypatch.setenv("CO_API_URL", "https://cohere.test/")
    assert "https://cohere.test/v2/chat" in repr(CohereChat("command-a"))


def test_messages_are_coheres_own() -> None:
    """Every role; plan, calls and citations in their own places; reasoning as thinking content."""
    plan = ProviderPart("tool_plan", {"tool_plan": "I will look."})
    image = ProviderPart("image_url", {"image_url": {"url": "data:image/png;base64,AA=="}})
    assert cohere_messages(
        [
            ChatMessage("Be brief.", "developer"),
            ChatMessage.user("Weather here?", parts=(image,)),
            ChatMessage.assistant(tool_calls=(CALL,), parts=(plan, CALL)),
            ChatMessage.tool("12 C", tool_call_id="weather_1"),
            ChatMessage.assistant("It is.", parts=(ReasoningPart("Hm."), TextPart("It is.", (CITATION,)))),
            ChatMessage.assistant("Plain.", parts=(TextPart("Plain."),)),
            {"role": "user", "content": "as it is"},
        ]
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image_url", **image.data}, {"type": "text", "text": "Weather here?"}]},
        {
            "role": "assistant",
            "tool_plan": "I will look.",
            "tool_calls": [
                {
                    "id": "weather_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Ulm"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "weather_1", "content": "12 C"},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "It is."}],
            "citations": [CITATION],
        },
        {"role": "assistant", "content": "Plain."},
        {"role": "user", "content": "as it is"},
    ]
    with pytest.raises(ConfigurationError, match="needs the tool_call_id"):
        cohere_messages([ChatMessage("12 C", "tool")])


def test_it_streams_and_asks_again_with_the_results(fake_provider: FakeProvider) -> None:
    """Plan, parallel calls and usage arrive; the message goes back in a follow-up, which the same loop reads."""
    plan = Reasoning("I will look up both.", plan=True)
    calls = (SaidCall.of("weather", {"city": "Ulm"}), SaidCall.of("weather", {"city": "Bonn"}))
    fake_provider.script(Script.of(plan, *calls, usage=Usage(input=70, output=9, cached=64)))
    fake_provider.script("12 and 13 C")
    question = ChatMessage.user("Weather in Ulm and Bonn?")
    with CohereChat("command-a", api_key="k", base_url=fake_provider.base_url("cohere_chat")) as client:
        stream = client.chat([question], stream=True, tools=[Tool("weather")], temperature=0).normalized

        def answer(message: ChatMessage) -> object:
            results = [ChatMessage.tool("12 C", tool_call_id=call.id) for call in message.tool_calls]
            return client.chat([question, message, *results], stream=True).normalized

        stream.add_callback(answer)
        assert "".join(message.text for message in stream) == "12 and 13 C"
    output = stream.get_chat_output()
    assert [call.arguments for call in output.message.tool_calls] == [{"city": "Ulm"}, {"city": "Bonn"}]
    assert (output.finish_reason, output.provider_finish_reason) == ("tool_calls", "TOOL_CALL")
    assert (output.usage.input, output.usage.output, output.usage.total, output.usage.cached) == (70, 9, 79, 64)
    first, second = (request.body for request in fake_provider.requests)
    assert (first["stream"], first["temperature"], first["tools"][0]["function"]["name"]) == (True, 0, "weather")
    assert second["messages"][1]["tool_plan"] == "I will look up both."
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool", "tool"]


def test_async_without_streaming(fake_provider: FakeProvider) -> None:
    """achat() returns the whole output, with thinking beside the text."""
    fake_provider.script(Script.of(Reasoning("Hm."), "Hello.", finish_reason="length"))

    async def chat() -> tuple[str, str, str | None]:
        url = fake_provider.base_url("cohere_chat")
        async with CohereChat("command-a", api_key="k", base_url=url) as client:
            output = await client.achat("Hi")
            return output.text, output.message.reasoning, output.finish_reason

    assert asyncio.run(chat()) == ("Hello.", "Hm.", "length")


def test_errors_are_typed(fake_provider: FakeProvider) -> None:
    """An HTTP error raises at chat(), one inside the stream in the loop, after what came before it.

    Both name the request as Cohere does, in x-debug-trace-id.
    """
    fake_provider.script(error=Error(429, "Slow down.", retry_after=3))
    fake_provider.script("Half", error=Error(500, "internal error", in_stream=True))
    with CohereChat("m", api_key="k", base_url=fake_provider.base_url("cohere_chat")) as client:
        with pytest.raises(RateLimitError, match=r"429: Slow down\.") as caught:
            client.chat("Hi")
        assert caught.value.retry_after == 3
        assert caught.value.request_id == caught.value.headers["x-debug-trace-id"]
        response = client.chat("Hi", stream=True)
        assert response.request_id == response.headers["x-debug-trace-id"]
        stream = response.normalized
        with pytest.raises(ProviderError, match=r"^internal error$"):
            list(stream)
    assert stream.get_chat_output().text == "Half"
    assert stream.finish_reason == "error"
