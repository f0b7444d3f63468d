"""The prompt of any request: whatever its fields hold, and each of them alone."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.prompts import SCHEMA, VALUES, WORDS, function, read
from tokentape_fake_provider.wires import prompt_reader
from tokentape_fake_provider.wires.prompt import Message, Prompt, Tool


@given(st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6))
def test_any_body_can_be_read(body: dict[str, Any]) -> None:
    """The reader never raises, whatever the fields hold."""
    assert isinstance(read(body), Prompt)


# Each field that any reader looks at the top of a body, with a value that changes the prompt.
FIELDS: dict[str, Any] = {
    "tools": [function()],
    "functions": [{"name": "weather"}],
    "toolConfig": {"tools": [{"toolSpec": {"name": "weather"}}]},
    "mcp_servers": [{"name": "files"}],
    "web_search_options": {},
    "search_parameters": {"mode": "on"},
    "plugins": [{"id": "web"}],
    "tool_choice": "none",
    "function_call": "none",
    "tool_config": {"functionCallingConfig": {"mode": "NONE"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "text": {"verbosity": "low"},
    "output_config": {"effort": "low"},
    "output_format": {"type": "json_schema", "schema": SCHEMA},
    "outputConfig": {"effort": "low"},
    "format": "json",
    "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
    "generationConfig": {"maxOutputTokens": 5},
    "generation_config": {"max_output_tokens": 5},
    "inferenceConfig": {"maxTokens": 5},
    "options": {"num_predict": 5},
    "textGenerationConfig": {"maxTokenCount": 5},
    "reasoning_effort": "low",
    "reasoning": {"effort": "low"},
    "reasoningConfig": {"type": "enabled"},
    "reasoning_config": {"type": "enabled"},
    "thinking": {"type": "enabled"},
    "think": True,
    "enable_thinking": True,
    "chat_template_kwargs": {"enable_thinking": True},
    "include_reasoning": True,
    "reasoning_format": "hidden",
    "prompt_mode": "reasoning",
    "verbosity": "low",
    "modalities": ["audio"],
    "response_modalities": ["image"],
    "documents": ["The tower is 330 m high."],
    "audio": {"format": "wav"},
    "max_tokens": 5,
    "stop": ["."],
    "seed": 5,
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_stands_alone_is_read(field: str) -> None:
    """Every field counts without any other, also those that most requests do not have."""
    body = {"messages": [{"role": "user", "content": "Hi"}], field: FIELDS[field]}
    assert read(body) != read({name: value for name, value in body.items() if name != field})


def test_every_field_beside_the_messages_is_tried() -> None:
    """The fields above are all that a prompt is read from; where to find citations needs documents."""
    limits = {"max_tokens", "stop", "seed"}
    assert set(FIELDS) - limits == prompt_reader._BESIDE_MESSAGES - {"citation_options"}


class _All(frozenset[str]):
    def isdisjoint(self, other: Any) -> bool:
        return False


@given(st.dictionaries(st.sampled_from([*WORDS, *FIELDS]), VALUES, max_size=4))
def test_a_plain_body_is_read_as_any_other(body: dict[str, Any]) -> None:
    """What is left out for a body that has messages alone would find nothing in it."""
    with mock.patch.object(prompt_reader, "_BESIDE_MESSAGES", _All()):
        whole = read(body)
    assert repr(read(body)) == repr(whole)


@pytest.mark.parametrize("field", ["messages", "contents", "input", "tools", "system"])
def test_deep_bodies_can_be_read(field: str) -> None:
    """A body that is nested more deeply than Python's stack allows is read, too."""
    value: Any = "x"
    for key in ("content", "parameters", "functionDeclarations", "properties", "items") * 1_000:
        value = {key: [value], "type": "object", "name": "n"} if key == "content" else {key: value, "name": "n"}
    assert isinstance(read({field: [value]}), Prompt)


def test_messages_and_tools_of_another_form_are_left_out() -> None:
    """What is of no known form is left out, and the rest stays."""
    prompt = read({"messages": [7, {"role": 7, "content": 7}, {"role": "user", "content": "Hi"}], "tools": [None, 7]})
    assert prompt.last_user == "Hi"
    assert prompt.messages[-1] == Message("user", "Hi")
    assert prompt.tools == tuple[Tool, ...]()


_ROLES = st.sampled_from(["system", "developer", "user", "assistant", "model", "tool", "other"])
_SPOKEN = st.fixed_dictionaries({"role": _ROLES, "content": st.text(max_size=3)})
_ODD: list[Any] = [
    "text",
    {"role": "user"},
    {"role": "user", "content": None},
    {"content": "a"},
    {"role": "user", "content": "a", "name": "n"},
    {"role": "user", "content": [{"text": "a"}]},
]


@given(st.lists(_SPOKEN, max_size=3), st.sampled_from([[], [], *([odd] for odd in _ODD)]))
def test_messages_that_are_texts_alone_are_read_as_any_others(messages: list[Any], odd: list[Any]) -> None:
    """Where all messages are texts alone they are read directly, with the result of the way for all others."""
    body = {"messages": messages + odd, "stop": "a"}
    assert read(body) == read(body | {"images": []})
