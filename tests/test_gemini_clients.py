"""The clients for Gemini against the fake provider over a socket: what they ask, and what they make of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tokentape import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.errors import ConfigurationError, RateLimitError
from tokentape.providers import Gemini, GeminiInteractions, Tool
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Error, Reasoning, Script, Usage
from tokentape_fake_provider.script.model import ToolCall as Call
from tokentape_fake_provider.sessions.session import Session

CLIENTS: dict[str, Any] = {"gemini": Gemini, "gemini_interactions": GeminiInteractions}
SCRIPT = Script.of(
    Reasoning("Hm.", signature="c2ln"),
    "Hello there, how are you?",
    Call.of("look", {"at": "it"}, id="call_1"),
    usage=Usage(input=20, cached=5, output=30, reasoning=10),
)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server on a free port."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture
def session(server: FakeProviderServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session, to which the environment leads."""
    created = server.create_session()
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.base_url("gemini", created.id))
    monkeypatch.setenv("GEMINI_API_KEY", "secret-key-of-gemini")
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_GENAI_API_VERSION", raising=False)
    yield created
    server.delete_session(created.id)


def check(output: Any) -> None:
    """The output says what `SCRIPT` says."""
    assert (output.text, output.message.reasoning) == ("Hello there, how are you?", "Hm.")
    assert [(call.id, call.name, call.arguments) for call in output.message.tool_calls] == [
        ("call_1", "look", {"at": "it"})
    ]
    assert (output.finish_reason, output.model) == ("tool_calls", "m")
    usage = output.usage
    assert (usage.input, usage.cached, usage.output, usage.reasoning, usage.total) == (20, 5, 30, 10, 50)


@pytest.mark.parametrize("wire", list(CLIENTS))
@pytest.mark.parametrize("stream", [True, False])
def test_chat_answers(wire: str, stream: bool, session: Session) -> None:
    """Streaming or not, the answer is the script's, and the event of it names the provider."""
    session.push(SCRIPT)
    with CLIENTS[wire]("m") as provider:
        answer = provider.chat("Hi", stream=stream)
        if stream:
            assert "".join(message.text for message in answer.normalized) == "Hello there, how are you?"
            check(answer.normalized.get_chat_output())
        else:
            check(answer)
    (entry,) = session.journal.entries
    assert entry.wire == wire
    assert dict(entry.headers)["x-goog-api-key"] != "secret-key-of-gemini"


@pytest.mark.parametrize("wire", list(CLIENTS))
@pytest.mark.parametrize("stream", [True, False])
def test_achat_answers(wire: str, stream: bool, session: Session) -> None:
    """So does the async twin."""
    session.push(SCRIPT)

    async def ask() -> Any:
        async with CLIENTS[wire]("m") as provider:
            answer = await provider.achat("Hi", stream=stream)
            if not stream:
                return answer
            async for _ in answer.normalized:
                pass
            return answer.normalized.get_chat_output()

    check(asyncio.run(ask()))


@pytest.mark.parametrize(
    ("wire", "stream", "version", "path"),
    [
        ("gemini", True, "", "/v1/models/m:streamGenerateContent"),
        ("gemini", False, "beta", "/v1beta/models/m:generateContent"),
        ("gemini_interactions", True, "v1alpha", "/v1alpha/interactions"),
    ],
)
def test_paths_are_those_of_the_official_sdk(
    wire: str, stream: bool, version: str, path: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version comes from the environment, the method and the model are in the path."""
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", version)
    with CLIENTS[wire]("m") as provider:
        answer = provider.chat("Hi", stream=stream)
        if stream:
            list(answer.normalized)
    (entry,) = session.journal.entries
    assert entry.path == path
    assert entry.query == ("alt=sse" if stream and wire == "gemini" else "")


@pytest.mark.parametrize("wire", list(CLIENTS))
def test_an_http_error_is_typed(wire: str, session: Session) -> None:
    """An error has status, the provider's word for it, message and seconds to wait."""
    session.push(Script.of(error=Error(429, "Slow down.", retry_after=7.5)))
    with CLIENTS[wire]("m") as provider, pytest.raises(RateLimitError, match=r"Slow down\.") as caught:
        provider.chat("Hi", stream=True)
    assert (caught.value.status, caught.value.retry_after) == (429, 7.5)


def test_a_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the error says which variable to set; GOOGLE_API_KEY goes before GEMINI_API_KEY."""
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="set GOOGLE_API_KEY"):
        Gemini("m")
    monkeypatch.setenv("GEMINI_API_KEY", "one")
    monkeypatch.setenv("GOOGLE_API_KEY", "two")
    assert Gemini("m")._headers["x-goog-api-key"] == "two"


HISTORY = [
    ChatMessage.system("Be nice."),
    ChatMessage.user("Look."),
    ChatMessage.assistant(
        "Well.",
        tool_calls=(ToolCall("1", "look", {"at": "it"}), ToolCall("2", "look", {})),
        parts=(
            ReasoningPart("Hm.", "c2ln"),
            ToolCall("1", "look", {"at": "it"}),
            ToolCall("2", "look", {}),
            TextPart("Well."),
            ReasoningPart("", "c2lnMg=="),
        ),
    ),
    ChatMessage.tool('{"seen": 1}', tool_call_id="1"),
    ChatMessage.tool("nothing", tool_call_id="2", metadata={"is_error": True}),
    ChatMessage.user("And now?", parts=(TextPart("And now?"),)),
]


def test_history_goes_back_to_gemini_as_it_came() -> None:
    """Signatures are on the parts that they came on, results of parallel calls in one content, in their order."""
    provider = Gemini("m", api_key="k")
    body = provider.request_body(
        HISTORY, stream=True, tools=[Tool("look", "Look at it."), {"googleSearch": {}}], options={"a": 1}
    )
    schema = {"type": "object", "properties": {}}
    assert body == {
        "contents": [
            {"role": "user", "parts": [{"text": "Look."}]},
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"name": "look", "args": {"at": "it"}, "id": "1"}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "look", "args": {}, "id": "2"}},
                    {"text": "Well."},
                    {"text": "", "thoughtSignature": "c2lnMg=="},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "1", "name": "look", "response": {"seen": 1}}},
                    {"functionResponse": {"id": "2", "name": "look", "response": {"error": "nothing"}}},
                ],
            },
            {"role": "user", "parts": [{"text": "And now?"}]},
        ],
        "tools": [
            {"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema, "description": "Look at it."}]},
            {"googleSearch": {}},
        ],
        "a": 1,
        "systemInstruction": {"parts": [{"text": "Be nice."}]},
    }


def test_history_goes_back_to_interactions_as_steps() -> None:
    """Thoughts with a signature, outputs, calls and results are steps of their own."""
    provider = GeminiInteractions("m", api_key="k")
    body = provider.request_body(HISTORY, stream=True, tools=[Tool("look")], options={"system_instruction": "First."})
    assert body == {
        "model": "m",
        "input": [
            {"type": "user_input", "content": [{"type": "text", "text": "Look."}]},
            {"type": "thought", "signature": "c2ln", "summary": [{"type": "text", "text": "Hm."}]},
            {"type": "function_call", "id": "1", "name": "look", "arguments": {"at": "it"}},
            {"type": "function_call", "id": "2", "name": "look", "arguments": {}},
            {"type": "model_output", "content": [{"type": "text", "text": "Well."}]},
            {"type": "thought", "signature": "c2lnMg=="},
            {"type": "function_result", "call_id": "1", "result": '{"seen": 1}'},
            {"type": "function_result", "call_id": "2", "result": "nothing", "is_error": True},
            {"type": "user_input", "content": [{"type": "text", "text": "And now?"}]},
        ],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}],
        "stream": True,
        "system_instruction": "First.\n\nBe nice.",
    }


def test_a_providers_own_part_goes_back_whole() -> None:
    """Code that Gemini ran, and its signature, are sent back as they came."""
    part = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}
    message = ChatMessage.assistant("", parts=(ProviderPart("executableCode", part),))
    body = Gemini("m", api_key="k").request_body([message], stream=False, tools=None, options={})
    assert body["contents"] == [{"role": "model", "parts": [part]}]


def test_a_result_needs_a_name() -> None:
    """A tool result whose call is not in the messages is a clear error, unless it has a name."""
    provider = Gemini("m", api_key="k")
    with pytest.raises(ConfigurationError, match="no call '9' is in the messages"):
        provider.request_body([ChatMessage.tool("x", tool_call_id="9")], stream=False, tools=None, options={})
    named = ChatMessage.tool("x", tool_call_id="9", name="look")
    body = provider.request_body([named], stream=False, tools=None, options={})
    assert body["contents"][0]["parts"][0]["functionResponse"]["name"] == "look"
    with pytest.raises(ConfigurationError, match="create a client for each model"):
        provider.request_body([ChatMessage.user("x")], stream=False, tools=None, options={"model": "n"})
