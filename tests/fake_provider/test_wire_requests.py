"""Requests of wire formats: their paths, models and text, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.case_notes import case
from tests.fake_provider.asks import BODY, ask_of
from tests.script_strategies import json_values
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import BadRequestError, ScriptError, UnknownWireError
from tokentape_fake_provider.script.model import Script, Usage
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import WIRES, named_in_path, wire_for_path, wire_named


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/chat/completions", "openai_chat"),
        ("/openai/v1/chat/completions", "openai_chat"),
        ("/openai/deployments/gpt-4o/chat/completions", "openai_chat"),
        ("/api/v1/chat/completions", "openai_chat"),
        ("/v1/responses", "openai_responses"),
        ("/openai/responses", "openai_responses"),
        ("/v1/responses/resp_1", None),
        ("/v1/completions", "openai_completions"),
        ("/openai/deployments/gpt-4o/completions", "openai_completions"),
        ("/v1/messages", "anthropic_messages"),
        ("/anthropic/v1/messages", "anthropic_messages"),
        ("/v1/messages/count_tokens", None),
        ("/api/chat", "ollama"),
        ("/api/generate", "ollama"),
        ("/api/show", None),
        ("/v2/chat", "cohere_chat"),
        ("/v1/chat", None),
        ("/v1/models", None),
        ("/v1/chat/completions/", None),
        ("/openai/deployments/a/b/chat/completions", "openai_chat"),
        ("/inference/v1/chat/completions", "openai_chat"),
        ("/inference/v1/completions", "openai_completions"),
        ("/v1beta/openai/responses", "openai_responses"),
        ("//chat/completions", "openai_chat"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict", "anthropic_messages"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:predict", None),
        ("/llm/v1/messages", "anthropic_messages"),
        ("/api/openai/v1/chat/completions", "openai_chat"),
        ("/s/abc/v1/messages", "anthropic_messages"),
        ("/s/abc/v1/responses", "openai_responses"),
        ("/s/abc/v1beta/models/m:streamGenerateContent", "gemini"),
        ("/llm/v1beta/interactions", "gemini_interactions"),
        ("/gateway/model/m/converse-stream", "bedrock_converse"),
        ("/gateway/model/m/invoke", "bedrock_invoke"),
        ("/s/abc/api/chat", "ollama"),
        ("/a/b/v2/chat", "cohere_chat"),
        ("/llm/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict", "anthropic_messages"),
        ("/v1/threads/t/messages", None),
        ("/v1/v1/messages", None),
        ("/gateway/v1/anthropic/v1/messages", "anthropic_messages"),
        ("/chats/7/messages", None),
        ("/llm/v1/messages/count_tokens", None),
    ],
)
def test_paths_lead_to_wire_formats(path: str, name: str | None) -> None:
    """Each provider's path finds its format, and others find none."""
    found = wire_for_path(path)
    assert (found.name if found else None) == name


def test_an_unknown_wire_format_lists_the_known_ones() -> None:
    """A misspelt name is a one-line error."""
    with pytest.raises(UnknownWireError) as caught:
        wire_named("openai")
    assert str(caught.value) == f"no wire format 'openai': the known ones are {', '.join(WIRES)}"


@pytest.mark.parametrize("prefix", ["", "/gateway"])
def test_azures_model_is_in_the_path(prefix: str) -> None:
    """A deployment path names the model where the body doesn't."""
    body = {name: value for name, value in BODY.items() if name != "model"}
    path = f"{prefix}/openai/deployments/gpt-4o/chat/completions"
    assert wire_named("openai_chat").read(path, body, created=0, seed="").model == "gpt-4o"


def test_the_prompt_is_all_text_of_the_request() -> None:
    """System prompts, parts and tool results are read, in order."""
    parts = [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": "http://x"}}]
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": parts}]
    assert ask_of("openai_chat", messages=messages).text == "a\nb"
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "d"}]}
    messages = [{"role": "user", "content": "b"}, {"role": "user", "content": [{"type": "text", "text": "c"}, result]}]
    system = [{"type": "text", "text": "a"}]
    assert ask_of("anthropic_messages", system=system, messages=messages).text == "a\nb\nc\nd"


@pytest.mark.parametrize(
    ("wire", "fields", "message"),
    [
        ("openai_chat", {"model": ...}, "you must provide a model parameter"),
        (
            "openai_chat",
            {"model": 5},
            "Invalid type for 'model': expected a string, but got an integer instead.",
        ),
        ("openai_chat", {"messages": ...}, "Missing required parameter: 'messages'."),
        (
            "openai_chat",
            {"messages": "hi"},
            "Invalid type for 'messages': expected an array of objects, but got a string instead.",
        ),
        (
            "openai_chat",
            {"messages": []},
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            "openai_chat",
            {"messages": [None]},
            "Invalid type for 'messages[0]': expected an object, but got null instead.",
        ),
        ("openai_chat", {"messages": [{"content": "x"}]}, "Missing required parameter: 'messages[0].role'."),
        (
            "openai_chat",
            {"messages": [{"role": "bot", "content": "x"}]},
            (
                "Invalid value: 'bot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', "
                "and 'developer'."
            ),
        ),
        (
            "openai_chat",
            {"stream": "yes"},
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
        ),
        (
            "openai_chat",
            {"stream": False, "stream_options": {"include_usage": True}},
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        (
            "openai_chat",
            {"n": 0},
            "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        ("openai_chat", {"n": True}, "Invalid type for 'n': expected an integer, but got a boolean instead."),
        ("openai_responses", {"model": ...}, "Missing required parameter: 'model'."),
        ("openai_responses", {"input": ...}, "Missing required parameter: 'input'."),
        (
            "openai_responses",
            {"input": 5},
            ("Invalid type for 'input': expected one of a string or array of input items, but got an integer instead."),
        ),
        (
            "openai_responses",
            {"input": [{"role": "tool", "content": "x"}]},
            "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
        ),
        ("openai_responses", {"input": [{"content": "x"}]}, "Missing required parameter: 'input[0].role'."),
        (
            "openai_responses",
            {"tools": ["x"]},
            "Invalid type for 'tools[0]': expected an object, but got a string instead.",
        ),
        (
            "openai_responses",
            {"stream": False, "stream_options": {"include_obfuscation": True}},
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        ("openai_completions", {"model": ...}, "Missing required parameter: 'model'."),
        ("openai_completions", {"prompt": ...}, "Missing required parameter: 'prompt'."),
        (
            "openai_completions",
            {"prompt": {}},
            "Invalid type for 'prompt': expected a string or an array, but got an object instead.",
        ),
        (
            "openai_completions",
            {"prompt": ["x"] * 2049},
            (
                "Invalid 'prompt': array too long. Expected an array with maximum length 2048, but got an array with "
                "length 2049 instead."
            ),
        ),
        ("anthropic_messages", {"model": ...}, "model: Field required"),
        ("anthropic_messages", {"max_tokens": ...}, "max_tokens: Field required"),
        ("anthropic_messages", {"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
        ("anthropic_messages", {"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ("anthropic_messages", {"messages": ...}, "messages: Field required"),
        ("anthropic_messages", {"messages": {}}, "messages: Input should be a valid list"),
        ("anthropic_messages", {"messages": []}, "messages: at least one message is required"),
        ("anthropic_messages", {"messages": ["x"]}, "messages.0: Input should be a valid dictionary"),
        ("anthropic_messages", {"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (
            "anthropic_messages",
            {"messages": [{"role": "system", "content": "x"}]},
            (
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            ),
        ),
        (
            "anthropic_messages",
            {"messages": [{"role": "a\nb", "content": "x"}]},
            'messages: Unexpected role "a\\nb". Allowed roles are "user" or "assistant"',
        ),
        ("anthropic_messages", {"stream": 1}, "stream: Input should be a valid boolean"),
        ("ollama", {"model": ...}, "model is required"),
        (
            "ollama",
            {"model": 5},
            "json: cannot unmarshal number into Go struct field ChatRequest.model of type string",
        ),
        (
            "ollama",
            {"stream": "yes"},
            "json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool",
        ),
        (
            "ollama",
            {"messages": [[]]},
            "json: cannot unmarshal array into Go struct field ChatRequest.messages of type api.Message",
        ),
        ("cohere_chat", {"model": ...}, "invalid request: model is required"),
        ("cohere_chat", {"messages": []}, "invalid request: list of messages must not be empty"),
        ("cohere_chat", {"messages": ["x"]}, "invalid request: messages[0] must be an object, not a string"),
        (
            "cohere_chat",
            {"messages": [{"role": "bot"}]},
            "invalid request: messages[0].role 'bot' is not one of system, user, assistant, tool",
        ),
        ("cohere_chat", {"stream": 1}, "invalid request: stream must be a boolean, not an integer"),
    ],
)
def test_a_bad_request_is_refused_in_the_providers_words(wire: str, fields: dict[str, Any], message: str) -> None:
    """What the provider refuses is refused with its message and status 400."""
    with pytest.raises(BadRequestError) as caught:
        ask_of(wire, **fields)
    assert (caught.value.status, str(caught.value)) == (400, message)


@given(
    fields=st.dictionaries(
        st.sampled_from(
            (
                *("model", "messages", "stream", "stream_options", "n", "max_tokens", "system", "stop_sequences"),
                *("input", "prompt", "tools", "include", "reasoning", "text", "instructions"),
            )
        ),
        st.one_of(json_values, st.lists(st.fixed_dictionaries({"role": json_values, "content": json_values}))),
    )
)
def test_any_json_is_read_or_refused(fields: dict[str, Any]) -> None:
    """No request body, however odd, gets further than a refusal with status 400, or is answered."""
    for wire in WIRES:
        with case(wire):
            try:
                ask = ask_of(wire, **fields)
            except BadRequestError as error:
                assert error.status == 400
                assert "\n" not in error.message
            else:
                assert encode(Script.of("Hi", usage=Usage(input=5)), ask, Instant()).status == 200


@pytest.mark.parametrize("wire", list(WIRES))
@pytest.mark.parametrize("stream", [False, True])
def test_what_no_response_can_carry_is_an_error(wire: str, stream: bool) -> None:
    """Half a surrogate pair is a one-line error."""
    with pytest.raises(ScriptError, match=r"half a surrogate pair, '\\ud83d'"):
        encode(Script.of("x\ud83d"), ask_of(wire, stream=stream), Instant())


def test_a_deeply_nested_request_is_read() -> None:
    """Nesting costs no recursion."""
    content: Any = "deep"
    for _ in range(20_000):
        content = [content]
    assert ask_of("anthropic_messages", messages=[{"role": "user", "content": content}]).text == "deep"


def test_unknown_fields_are_let_through() -> None:
    """SDKs and dialects send many fields that nothing here knows."""
    assert ask_of("openai_chat", reasoning={"effort": "low"}, provider={}).body["provider"] == {}
    assert ask_of("anthropic_messages", context_management={}, speed="fast").model == "m"


@pytest.mark.parametrize("prefix", ["/llm", "/s/abc", "/api/gateway/7"])
@pytest.mark.parametrize("name", WIRES)
def test_paths_below_a_gateway(name: str, prefix: str) -> None:
    """What a format's unmistakable paths name is the same below the prefix of a gateway."""
    for pattern in WIRES[name].paths:
        if re.match(r"/(v\d|api/|openai/|model/)", pattern):
            path = re.sub(r"\{(\w+)\*?\}", r"\1-1", pattern)
            found = wire_for_path(prefix + path)
            assert (found and found.name) == name, path
            assert named_in_path(name, prefix + path) == named_in_path(name, path)
