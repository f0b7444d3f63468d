"""What OpenAI refuses is refused in its words; other servers with its format take more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_provider.prompts import SCHEMA
from tests.fake_provider.refused_requests import CALLS, HI, form, function, refusal

OPENAI: list[tuple[dict[str, Any], str, str | None, str | None]] = [
    ({"temperature": 2.5}, "Expected a value <= 2, but got 2.5", "temperature", "decimal_above_max_value"),
    ({"temperature": -1}, "Expected a value >= 0, but got -1", "temperature", "decimal_below_min_value"),
    ({"temperature": "hot"}, "expected a decimal, but got a string", "temperature", "invalid_type"),
    ({"temperature": True}, "expected a decimal, but got a boolean", "temperature", "invalid_type"),
    ({"top_p": 1.1}, "Expected a value <= 1", "top_p", "decimal_above_max_value"),
    ({"presence_penalty": 3}, "Expected a value <= 2", "presence_penalty", "decimal_above_max_value"),
    ({"frequency_penalty": -3}, "Expected a value >= -2", "frequency_penalty", "decimal_below_min_value"),
    ({"stop": list("abcde")}, "maximum length 4, but got an array with length 5", "stop", "array_above_max_length"),
    ({"max_tokens": 0}, "Expected a value >= 1", "max_tokens", "integer_below_min_value"),
    ({"max_tokens": 20_000}, "supports at most 16384 completion tokens", "max_tokens", "invalid_value"),
    ({"max_completion_tokens": 1.5, "max_tokens": ...}, "expected an integer", "max_completion_tokens", "invalid_type"),
    ({"max_completion_tokens": 5}, "'max_completion_tokens' at the same time", None, "invalid_parameter_combination"),
    ({"top_logprobs": 2}, "only allowed when 'logprobs' is enabled", "top_logprobs", None),
    ({"logprobs": True, "top_logprobs": 21}, "Expected a value <= 20", "top_logprobs", "integer_above_max_value"),
    ({"tools": []}, "minimum length 1, but got an empty array", "tools", "empty_array"),
    ({"tools": [function()] * 129}, "maximum length 128", "tools", "array_above_max_length"),
    ({"tools": [{"function": {"name": "f"}}]}, "'tools[0].type'", "tools[0].type", "missing_required_parameter"),
    ({"tools": [{"type": "search"}]}, "'search'. Supported values are: 'function'", "tools[0].type", "invalid_value"),
    ({"tools": [{"type": "function"}]}, "'tools[0].function'", "tools[0].function", "missing_required_parameter"),
    ({"tools": [function(None)]}, "tools[0].function.name", "tools[0].function.name", "missing_required_parameter"),
    ({"tools": [function("")]}, "minimum length 1", "tools[0].function.name", "empty_string"),
    ({"tools": [function("a b")]}, "'^[a-zA-Z0-9_-]+$'", "tools[0].function.name", "invalid_value"),
    ({"tools": [function("a" * 65)]}, "length 65", "tools[0].function.name", "string_above_max_length"),
    ({"functions": [{"name": "a b"}]}, "does not match pattern", "functions[0].name", "invalid_value"),
    ({"function_call": "auto"}, "only allowed when 'functions' are specified", "function_call", None),
    ({"tool_choice": "auto"}, "only allowed when 'tools' are specified", "tool_choice", None),
    ({"parallel_tool_calls": True}, "only allowed when 'tools' are", "parallel_tool_calls", None),
    ({"tools": [function()], "tool_choice": "some"}, "Supported values are", "tool_choice", "invalid_value"),
    ({"tools": [function()], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "'g'", "tool_choice",
     None),
    (form("json_object"), "must contain the word 'json'", "messages", None),
    (form("xml"), "'xml'. Supported values are: 'json_object'", "response_format.type", "invalid_value"),
    (form("json_schema"), "response_format.json_schema", "response_format.json_schema", "missing_required_parameter"),
    (form("json_schema", json_schema={"schema": SCHEMA}), "json_schema.name", "response_format.json_schema.name",
     "missing_required_parameter"),
    ({"messages": [{"role": "user", "content": [{"type": "txt", "text": "Hi"}]}]},
     "'txt'. Supported values are: 'text'",
     "messages[0].content[0].type", "invalid_value"),
    ({"messages": [{"role": "system", "content": [{"type": "image_url"}]}, HI]}, "Supported values are",
     "messages[0].content[0].type", "invalid_value"),
    ({"messages": [{"role": "user", "content": None}]}, "expected a string, got null", "messages.[0].content", None),
    ({"messages": [HI, {"role": "tool", "content": "1", "tool_call_id": "call_1"}]},
     "must be a response to a preceeding",
     "messages.[1].role", None),
    ({"messages": [HI, {"role": "tool", "content": "1"}]}, "messages[1].tool_call_id", "messages[1].tool_call_id",
     "missing_required_parameter"),
    ({"messages": [HI, CALLS]}, "did not have response messages: call_1", "messages", None),
    ({"messages": [HI, CALLS, HI]}, "did not have response messages: call_1", "messages", None),
    ({"messages": [HI, CALLS, {"role": "tool", "content": "1", "tool_call_id": "call_2"}]}, "'call_2' not found",
     "messages.[2].tool_call_id", None),
    ({"messages": [HI, {"role": "assistant", "content": "Yes", "tool_calls": []}, HI]}, "minimum length 1",
     "messages[1].tool_calls", "empty_array"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://a.example/b.png"}]}]},
     "expected an object, but got a string", "messages[0].content[0].image_url", "invalid_type"),
    ({"tools": [function()], "tool_choice": "any"}, "'any'. Supported values are: 'none', 'auto', and 'required'",
     "tool_choice", "invalid_value"),
    ({"seed": "a"}, "expected an integer, but got a string", "seed", "invalid_type"),
    ({"reasoning_effort": "huge"}, "'huge'. Supported values are: 'none'", "reasoning_effort", "invalid_value"),
    ({"verbosity": "long"}, "'long'. Supported values are: 'low'", "verbosity", "invalid_value"),
]  # fmt: skip
RESPONSES: list[tuple[dict[str, Any], str, str | None, str | None]] = [
    ({"temperature": 3}, "Expected a value <= 2", "temperature", "decimal_above_max_value"),
    ({"top_logprobs": 21}, "Expected a value <= 20", "top_logprobs", "integer_above_max_value"),
    ({"max_output_tokens": 0}, "Expected a value >= 1", "max_output_tokens", "integer_below_min_value"),
    ({"tools": [{"type": "function"}]}, "tools[0].name", "tools[0].name", "missing_required_parameter"),
    ({"tools": [{"name": "f"}]}, "tools[0].type", "tools[0].type", "missing_required_parameter"),
    ({"tools": [{"type": "mcp"}]}, "server_label", "tools[0].server_label", "missing_required_parameter"),
    ({"tool_choice": "required"}, "'tools'", "tool_choice", None),
    ({"tool_choice": {"type": "web_search_preview"}}, "'web_search_preview' not found in 'tools'", "tool_choice", None),
    ({"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "g"}},
     "'function' not found in 'tools'", "tool_choice", None),
    ({"text": {"format": {"type": "json_object"}}}, "must contain the word 'json'", "input", None),
    ({"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "text.format.name", "text.format.name",
     "missing_required_parameter"),
    ({"input": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
     "'text'. Supported values are: 'input_text'",
     "input[0].content[0].type", "invalid_value"),
    ({"input": [{"role": "user", "content": [{"type": "output_text", "text": "Hi"}]}]}, "'output_text'",
     "input[0].content[0].type", "invalid_value"),
    ({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]}]},
     "'output_text' and 'refusal'",
     "input[0].content[0].type", "invalid_value"),
    ({"input": [{"type": "function_call_output", "call_id": "call_1", "output": "1"}]},
     "No tool call found for function call output with call_id call_1", "input", None),
    ({"input": [{"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}]},
     "No tool output found for function call call_1", "input", None),
    ({"input": [{"type": "custom_tool_call_output", "call_id": "call_1", "output": "1"}]}, "custom tool call output",
     "input", None),
    ({"background": True, "store": False}, "'store'", "background", None),
    ({"reasoning": {"effort": "huge"}}, "'huge'. Supported values are: 'none'", "reasoning.effort", "invalid_value"),
    ({"text": {"verbosity": "long"}}, "'long'. Supported values are: 'low'", "text.verbosity", "invalid_value"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "fields", "fact", "param", "code"),
    [
        *(("openai_chat", *row) for row in OPENAI),
        *(("openai_responses", *row) for row in RESPONSES),
        ("openai_completions", {"temperature": 3}, "<= 2", "temperature", "decimal_above_max_value"),
        ("openai_completions", {"logprobs": 6}, "<= 5", "logprobs", "integer_above_max_value"),
        ("openai_completions", {"stop": list("abcde")}, "maximum length 4", "stop", "array_above_max_length"),
        ("openai_completions", {"n": 3, "best_of": 2}, "'best_of' is 2", "best_of", None),
        ("openai_completions", {"max_tokens": -1}, ">= 0", "max_tokens", "integer_below_min_value"),
    ],
    ids=str,
)
def test_openai_refuses(wire: str, fields: dict[str, Any], fact: str, param: str | None, code: str | None) -> None:
    """The message has the facts, and names the parameter and the code."""
    error = refusal(wire, **fields)
    assert error is not None
    assert fact in error.message
    assert (error.status, error.param, error.code) == (400, param, code)


@pytest.mark.parametrize(
    ("messages", "kind", "code", "fact"),
    [
        ([HI, CALLS, {"role": "tool", "content": "1"}], "invalid_function_call", "3280", "length of 9"),
        ([HI, {"role": "tool", "content": "1"}], "invalid_request_message_order", "3230", "Not the same number"),
        ([HI, {"role": "assistant", "content": "So"}], "invalid_request_message_order", "3230", "Expected last role"),
    ],
)
def test_mistral_has_rules_of_its_own(messages: list[Any], kind: str, code: str, fact: str) -> None:
    """Ids of nine letters, as many results as calls, and the last role."""
    error = refusal("openai_chat", model="mistral-large-latest", messages=messages)
    assert error is not None
    assert (error.type, error.code) == (kind, code)
    assert fact in error.message
    assert (
        refusal("openai_chat", model="mistral-large-latest", messages=[HI], response_format={"type": "json_object"})
        is None
    )


def test_servers_with_openais_format_take_more() -> None:
    """Another provider's model may have parts and tools that OpenAI does not have, and needs no word json."""
    fields: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]}],
        "tools": [{"type": "live_search"}],
        "response_format": {"type": "json_object"},
    }
    assert refusal("openai_chat", model="grok-4", **fields) is None
    assert refusal("openai_chat", **fields) is not None
    assert refusal("openai_chat", model="grok-4", temperature=3) is not None
    more = {
        "stop": list("abcdefgh"),
        "tools": [function("a.b" * 30)] * 129,
        "tool_choice": "any",
        "max_tokens": 9,
        "max_completion_tokens": 9,
    }
    assert refusal("openai_chat", model="deepseek-chat", **more) is None
