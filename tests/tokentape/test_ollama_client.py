"""The client for Ollama: what it sends, and what it makes of the fake provider's answers over a socket."""

from __future__ import annotations

import asyncio

import pytest

from tokentape import ChatMessage, ConfigurationError, NotFoundError, ProviderError, ProviderPart, ToolCall
from tokentape.providers import Ollama, Tool
from tokentape.providers.ollama import host_url
from tokentape.providers.ollama_request import ollama_messages
from tokentape_fake_provider import Error, Reasoning, Script, Usage
from tokentape_fake_provider import ToolCall as SaidCall
from tokentape_harness.testing.fake_provider import FakeProvider

CALL = ToolCall("call_1", "weather", {"city": "Ulm"}, '{"city": "Ulm"}')


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":56789", "http://127.0.0.1:56789"),
        ("1.2.3.4:56789", "http://1.2.3.4:56789"),
        ("http://1.2.3.4", "http://1.2.3.4"),
        ("https://example.com", "https://example.com"),
        ("https://example.com:56789/path/", "https://example.com:56789/path"),
        ("example.com/path", "http://example.com:11434/path"),
        ("[::1]", "http://[::1]:11434"),
        ("http://[::1]:56789", "http://[::1]:56789"),
    ],
)
def test_hosts_are_read_as_the_official_client_reads_them(host: str, url: str) -> None:
    """OLLAMA_HOST is a URL, or a host with or without a port."""
    assert host_url(host) == url


@pytest.mark.parametrize("host", ["example.com:port", "http://[::1", "ftp://example.com"])
def test_an_invalid_host_is_refused(host: str) -> None:
    """What is no host is a one-line error before anything is sent."""
    with pytest.raises(ConfigurationError):
        Ollama("m", base_url=host)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """OLLAMA_HOST and OLLAMA_API_KEY are the official client's variables; no key is needed."""
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    assert repr(Ollama("m")) == "Ollama('m', url='http://127.0.0.1:11434/api/chat')"
    monkeypatch.setenv("OLLAMA_HOST", "ollama.test")
    monkeypatch.setenv("OLLAMA_API_KEY", "secret-key")
    client = Ollama("m")
    assert "http://ollama.test:11434/api/chat" in repr(client)
    assert client._headers["authorization"] == "Bearer secret-key"


def test_messages_are_ollamas_own() -> None:
    """Every role, tool calls with an object of arguments, results by the tool's name, thinking and images."""
    assert ollama_messages(
        [
            ChatMessage("Be brief.", "developer"),
            ChatMessage.user("Weather here?", parts=(ProviderPart("image", {"data": "aW1n"}),)),
            ChatMessage.assistant("Looking.", reasoning="Hm.", tool_calls=(CALL, ToolCall("", "time", {}))),
            ChatMessage.tool("12 C", tool_call_id="call_1"),
            ChatMessage.tool("noon", tool_call_id="", name="time"),
            {"role": "user", "content": "as it is"},
        ]
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather here?", "images": ["aW1n"]},
        {
            "role": "assistant",
            "content": "Looking.",
            "thinking": "Hm.",
            "tool_calls": [
                {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Ulm"}}},
                {"function": {"name": "time", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "12 C", "tool_name": "weather", "tool_call_id": "call_1"},
        {"role": "tool", "content": "noon", "tool_name": "time"},
        {"role": "user", "content": "as it is"},
    ]


def test_a_tool_result_needs_a_call() -> None:
    """A result with neither id nor name is an error that names both."""
    with pytest.raises(ConfigurationError, match="needs the tool_call_id of the call it answers, or the tool's name"):
        ollama_messages([ChatMessage.tool("12 C", tool_call_id="")])


def test_the_body_always_has_stream() -> None:
    """Ollama streams unless `stream` is false; options and tools go in as they are."""
    client = Ollama("m", base_url="ollama.test", keep_alive="5m")
    body = client.request_body([ChatMessage.user("Hi")], stream=False, tools=[Tool("f")], options={"think": True})
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": False,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "think": True,
    }
    assert client.default_options == {"keep_alive": "5m"}


def test_it_streams_and_asks_again_with_the_results(fake_provider: FakeProvider) -> None:
    """Thinking, parallel calls and usage arrive; the message goes back in a follow-up, which the same loop reads."""
    calls = (SaidCall.of("weather", {"city": "Ulm"}), SaidCall.of("weather", {"city": "Bonn"}))
    fake_provider.script(Script.of(Reasoning("Two cities."), *calls, usage=Usage(input=7, output=9)))
    fake_provider.script("12 and 13 C")
    question = ChatMessage.user("Weather in Ulm and Bonn?")
    with Ollama("llama3.2", base_url=fake_provider.base_url("ollama")) as client:
        stream = client.chat([question], stream=True, tools=[Tool("weather")]).normalized

        def answer(message: ChatMessage) -> object:
            results = [ChatMessage.tool("12 C", tool_call_id=call.id) for call in message.tool_calls]
            return client.chat([question, message, *results], stream=True).normalized

        stream.add_callback(answer)
        assert "".join(message.text for message in stream) == "12 and 13 C"
    output = stream.get_chat_output()
    assert output.message.reasoning == "Two cities."
    assert [call.arguments for call in output.message.tool_calls] == [{"city": "Ulm"}, {"city": "Bonn"}]
    assert (output.finish_reason, output.provider_finish_reason) == ("tool_calls", "stop")
    assert (output.usage.input, output.usage.output, output.usage.total, output.usage.cached) == (7, 9, 16, None)
    assert output.usage.raw["eval_duration"] == output.message.metadata["eval_duration"]
    second = fake_provider.requests[1].body["messages"]
    assert [message.get("tool_name") for message in second] == [None, None, "weather", "weather"]


def test_async_without_streaming(fake_provider: FakeProvider) -> None:
    """achat() returns the whole output."""
    fake_provider.script(Script.of("Hello.", finish_reason="length"))

    async def chat() -> tuple[str, str | None]:
        async with Ollama("llama3.2", base_url=fake_provider.base_url("ollama")) as client:
            output = await client.achat("Hi")
            return output.text, output.finish_reason

    assert asyncio.run(chat()) == ("Hello.", "length")


def test_errors_are_typed(fake_provider: FakeProvider) -> None:
    """An HTTP error raises at chat(), an error line in the loop, after what came before it."""
    fake_provider.script(error=Error(404, "model 'm' not found"))
    fake_provider.script("Half", error=Error(500, "out of memory", in_stream=True))
    with Ollama("m", base_url=fake_provider.base_url("ollama")) as client:
        with pytest.raises(NotFoundError, match="404: model 'm' not found"):
            client.chat("Hi")
        stream = client.chat("Hi", stream=True).normalized
        with pytest.raises(ProviderError, match=r"^out of memory$"):
            list(stream)
    assert stream.get_chat_output().text == "Half"
