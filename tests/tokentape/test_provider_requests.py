"""Request bodies of the provider clients, built without I/O."""

from __future__ import annotations

import msgspec
import pytest

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers import AnthropicMessages, OpenAIChat, Tool
from tokentape.providers.anthropic_request import anthropic_messages, anthropic_system, anthropic_tools
from tokentape.providers.messages import as_input, encode_body, message_list
from tokentape.providers.openai_request import openai_messages, openai_tools

CALL = ToolCall("call_1", "weather", {"city": "Ulm"}, '{"city": "Ulm"}')
BROKEN = ToolCall("call_2", "weather", {}, '{"city":', valid=False)
IMAGE = ProviderPart("image_url", {"image_url": {"url": "data:image/png;base64,AA=="}})


def test_openai_takes_every_role() -> None:
    """System, developer, user, assistant and tool messages become the API's own objects."""
    assert openai_messages(
        [
            ChatMessage.system("Be brief."),
            ChatMessage("Use metric.", "developer"),
            ChatMessage.user("Weather?", name="ann"),
            ChatMessage.assistant(tool_calls=(CALL,)),
            ChatMessage.tool("12 C", tool_call_id="call_1"),
            {"role": "user", "content": [{"type": "text", "text": "as it is"}]},
        ]
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Use metric."},
        {"role": "user", "content": "Weather?", "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Ulm"}'},
                }
            ],
        },
        {"role": "tool", "content": "12 C", "tool_call_id": "call_1"},
        {"role": "user", "content": [{"type": "text", "text": "as it is"}]},
    ]


def test_openai_history_keeps_broken_arguments_refusals_and_own_parts() -> None:
    """The model's message is sent back verbatim; reasoning is not."""
    (message,) = openai_messages(
        [ChatMessage.assistant("", refusal="No.", tool_calls=(BROKEN, ToolCall("c3", "f", {"a": 1})))]
    )
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"city":', '{"a":1}']
    assert (message["refusal"], message["content"]) == ("No.", None)
    (shown,) = openai_messages(
        [ChatMessage.user("Look:", parts=(IMAGE,)), ChatMessage.assistant("x", reasoning="hm")][:1]
    )
    assert shown["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    assert openai_messages([ChatMessage.assistant("x", reasoning="hm", parts=(ReasoningPart("hm"),))]) == [
        {"role": "assistant", "content": "x"}
    ]


def test_anthropic_puts_system_messages_on_top() -> None:
    """Several system messages are joined behind the caller's own option, blocks stay blocks."""
    system = [ChatMessage.system("A"), ChatMessage.user("u"), ChatMessage("B", "developer")]
    assert anthropic_system(system) == "A\n\nB"
    assert anthropic_system(system, "own") == "own\n\nA\n\nB"
    own = {"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}}
    assert anthropic_system(system, [own]) == [
        own,
        {"type": "text", "text": "A"},
        {"type": "text", "text": "B"},
    ]
    assert anthropic_system([ChatMessage.user("u")]) is None
    assert anthropic_messages(system) == [{"role": "user", "content": "u"}]


def test_anthropic_gets_reasoning_back_as_it_was_signed() -> None:
    """Thinking keeps its place and signature; unsigned reasoning and empty text are left out."""
    server_tool = {"id": "srv_1", "name": "web_search", "input": {}}
    message = ChatMessage.assistant(
        "Hello",
        tool_calls=(CALL,),
        parts=(
            ReasoningPart("thought", signature="sig"),
            ReasoningPart(encrypted="secret"),
            ReasoningPart("unsigned"),
            ProviderPart("server_tool_use", server_tool),
            TextPart(""),
            TextPart("Hello", ({"type": "char_location"},)),
            CALL,
        ),
    )
    assert anthropic_messages([message]) == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "thought", "signature": "sig"},
                {"type": "redacted_thinking", "data": "secret"},
                {"type": "server_tool_use", **server_tool},
                {"type": "text", "text": "Hello", "citations": [{"type": "char_location"}]},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Ulm"}},
            ],
        }
    ]


def test_anthropic_history_built_by_hand_has_its_text_and_calls() -> None:
    """A message without parts is sent from its text and tool calls."""
    assert anthropic_messages([ChatMessage.assistant("Hm.", tool_calls=(CALL,)), ChatMessage.assistant("a")]) == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Hm."},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Ulm"}},
            ],
        },
        {"role": "assistant", "content": "a"},
    ]


def test_anthropic_joins_the_results_of_parallel_calls() -> None:
    """Results that follow one another are one message of the user; errors are marked."""
    assert anthropic_messages(
        [
            ChatMessage.tool("1", tool_call_id="a"),
            ChatMessage.tool("no", tool_call_id="b", metadata={"is_error": True}),
            ChatMessage.user("go on"),
            ChatMessage.tool("2", tool_call_id="c"),
        ]
    ) == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                {"type": "tool_result", "tool_use_id": "b", "content": "no", "is_error": True},
            ],
        },
        {"role": "user", "content": "go on"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "2"}]},
    ]


@pytest.mark.parametrize("build", [openai_messages, anthropic_messages])
def test_a_tool_result_needs_the_id_of_its_call(build) -> None:  # type: ignore[no-untyped-def]
    """Which call a result answers can't be guessed."""
    with pytest.raises(ConfigurationError, match="tool_call_id"):
        build([ChatMessage("12 C", "tool")])


def test_one_tool_for_both_and_own_tools_passed_through() -> None:
    """A neutral tool becomes each provider's object, a provider's own object stays."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool, own = Tool("weather", "The weather", schema, strict=True), {"type": "web_search_20250305"}
    assert openai_tools([tool, own]) == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "The weather",
                "parameters": schema,
                "strict": True,
            },
        },
        own,
    ]
    assert anthropic_tools([tool, Tool("now"), own]) == [
        {"name": "weather", "description": "The weather", "input_schema": schema, "strict": True},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
        own,
    ]


def test_messages_are_a_string_a_message_or_a_list() -> None:
    """Each is taken, anything else is refused with its place."""
    assert message_list("hi") == [ChatMessage.user("hi")]
    assert message_list(ChatMessage.user("hi")) == [ChatMessage.user("hi")]
    assert message_list({"role": "user", "content": "hi"}) == [{"role": "user", "content": "hi"}]
    with pytest.raises(ConfigurationError, match="message 1 is a int"):
        message_list([ChatMessage.user("hi"), 3])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="no messages"):
        message_list([])


def test_the_event_gets_messages_also_where_dicts_were_passed() -> None:
    """A provider's own object is reported by its role and text."""
    own = {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}]}
    (seen,) = as_input([own])
    assert (seen.role, seen.text, seen.metadata) == ("assistant", "ab", own)


def test_options_go_into_the_body_untouched() -> None:
    """A call's options win over the client's, and usage is requested unless stream_options is None."""
    client = OpenAIChat("gpt-4o", api_key="sk-test-key", temperature=0.1, seed=1)

    def body(**options: object) -> dict[str, object]:
        merged = {**client.default_options, **options}
        return client.request_body([ChatMessage.user("hi")], stream=True, tools=None, options=merged)

    assert body(temperature=0.9, response_format={"type": "json_object"}) == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.9,
        "seed": 1,
        "response_format": {"type": "json_object"},
    }
    assert "stream_options" not in body(stream_options=None)
    assert body(stream_options={"include_obfuscation": False})["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }
    assert body(stream_options={"include_usage": False})["stream_options"] == {"include_usage": False}


def test_anthropic_body_has_a_limit_and_no_betas() -> None:
    """max_tokens is always there, betas become a header."""
    client = AnthropicMessages("claude", api_key="sk-test-key", betas=["a-1", "b-2"])
    options = dict(client.default_options)
    assert client.request_headers(options) == {"anthropic-beta": "a-1,b-2"}
    assert client.request_body([ChatMessage.user("hi")], stream=False, tools=None, options=options) == {
        "model": "claude",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 4096,
    }


class Model(msgspec.Struct):
    """Something that JSON has a form for."""

    name: str


def test_what_is_no_json_is_refused_with_its_type() -> None:
    """Structs, mappings and pydantic models are written; other objects are named."""
    assert encode_body({"a": Model("x")}) == b'{"a":{"name":"x"}}'
    with pytest.raises(ConfigurationError, match="object is not a JSON value"):
        encode_body({"a": object()})


@pytest.mark.parametrize(
    ("provider", "variable"), [(OpenAIChat, "OPENAI_API_KEY"), (AnthropicMessages, "ANTHROPIC_API_KEY")]
)
def test_a_missing_key_names_the_variable(provider, variable, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Without a key the error names the variable to set; an empty one counts as missing."""
    monkeypatch.setenv(variable, "")
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match=f"set {variable}"):
        provider("some-model")


@pytest.mark.parametrize("key", ["sk-secret\n", " sk-secret", "sk-secr\u00e9t", "sk-sec\x00ret"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(key: str) -> None:
    """The usual mistake is a line end from a file; the key itself is not in the error."""
    with pytest.raises(ConfigurationError, match="line break") as caught:
        OpenAIChat("gpt-4o", api_key=key)
    assert "secr" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["localhost:8089", "//host", "ftp://host/v1", "http://", "http://[::1"])
def test_a_base_url_without_scheme_or_host_is_refused(base_url: str) -> None:
    """A base URL that can't work is an error before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"base URL (lacks http\(s\)://|is not a URL)"):
        OpenAIChat("gpt-4o", api_key="sk-test-key", base_url=base_url)


def test_a_model_is_needed() -> None:
    """An empty model name is refused at once."""
    with pytest.raises(ConfigurationError, match="OpenAIChat needs a model"):
        OpenAIChat("", api_key="sk-test-key")


def test_repr_shows_neither_key_nor_password() -> None:
    """A client can be logged."""
    client = OpenAIChat("gpt-4o", api_key="sk-test-key", base_url="https://user:hunter2@host/v1?token=t0ken")
    assert repr(client) == "OpenAIChat('gpt-4o', url='https://host/v1/chat/completions')"
