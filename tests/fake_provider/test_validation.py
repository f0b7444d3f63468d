"""Requests that the real providers refuse are refused with their status, parameter and code, and with the facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, product
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.case_notes import case
from tests.fake_provider.asks import BODIES, BODY, PATHS, ask_of
from tests.fake_provider.test_prompt_reader import CONVERSATIONS, FORCED, SCHEMA, VALUES, WORDS
from tokentape_fake_provider.answers.prompt_caching import cache_usage
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import BadRequestError, SchemaError, ScriptError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.prompt_cache import PromptCache
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.simulation.model import simulate
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import WIRES, ProviderRequest, wire_named
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.validation.check import check_request

MODELS = {"openai_chat": "gpt-4o", "openai_responses": "gpt-4o", "openai_completions": "gpt-3.5-turbo-instruct"}
HI = {"role": "user", "content": "Hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
CACHED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}


def refusal(wire: str, headers: Any = (), **fields: Any) -> BadRequestError | None:
    """The error that the request gets; `None` if it is taken."""
    if wire in MODELS:
        fields = {"model": MODELS[wire], **fields}
    request = ask_of(wire, **fields)
    try:
        check_request(request, read_prompt(request), headers)
    except BadRequestError as error:
        return error
    return None


def function(name: Any = "f", **beside: Any) -> dict[str, Any]:
    """A function as OpenAI's chat has it."""
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **beside}}


def tool(name: Any = "f") -> dict[str, Any]:
    """A tool of Anthropic's."""
    return {"name": name, "input_schema": SCHEMA}


def spec(name: Any = "f") -> dict[str, Any]:
    """A tool of Converse's."""
    return {"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}}


def form(kind: str, **beside: Any) -> dict[str, Any]:
    """A response format."""
    return {"response_format": {"type": kind, **beside}}


def converse(*messages: tuple[str, list[Any]]) -> list[dict[str, Any]]:
    """Messages of Converse's."""
    return [{"role": role, "content": content} for role, content in messages]


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


def with_thinking(budget: int = 1024, **fields: Any) -> dict[str, Any]:
    """Fields of a request for thinking."""
    return {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": budget}, **fields}


ANTHROPIC: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 1.5}, "temperature: range: 0..1"),
    ({"top_p": -0.1}, "top_p: range: 0..1"),
    ({"temperature": "hot"}, "temperature: Input should be a valid number"),
    ({"model": "claude-3-haiku-20240307", "max_tokens": 5000}, "max_tokens: 5000 > 4096"),
    ({"model": "claude-sonnet-4-5", "max_tokens": 64_001}, "claude-sonnet-4-5"),
    ({"stop_sequences": [" "]}, "each stop sequence must contain non-whitespace"),
    (with_thinking(1023), "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"),
    (with_thinking(2000), "`max_tokens` must be greater than `thinking.budget_tokens`"),
    ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
    (with_thinking(temperature=0.5), "`temperature` may only be set to 1 when thinking is enabled"),
    (with_thinking(top_p=0.5), "`top_p`"),
    (with_thinking(top_k=5), "`top_k` must be unset when thinking is enabled"),
    (with_thinking(tools=[tool()], tool_choice={"type": "any"}), "Thinking may not be enabled when tool_choice forces"),
    (with_thinking(tools=[tool()], tool_choice={"type": "tool", "name": "f"}), "Thinking may not be enabled"),
    ({"thinking": {"type": "adaptive"}, "temperature": 0}, "`temperature` may only be set to 1"),
    ({"tools": [{"input_schema": SCHEMA}]}, "tools.0.custom.name: Field required"),
    ({"tools": [tool("a b")]}, "tools.0.custom.name: String should match pattern"),
    ({"tools": [tool(), tool()]}, "tools: Tool names must be unique"),
    ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
    ({"tools": [{"name": "f", "input_schema": {}}]}, "tools.0.custom.input_schema.type: Field required"),
    ({"tools": [{"name": "f", "input_schema": {"type": "array"}}]}, "Input should be 'object'"),
    ({"tool_choice": {"type": "any"}}, "tool_choice may only be specified while providing tools"),
    ({"tools": [tool()], "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found in provided tools"),
    ({"tools": [tool()], "tool_choice": {"type": "required"}}, "'required' found using 'type'"),
    ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks must be non-empty"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have non-empty content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
     "text content blocks must be non-empty"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "must contain non-whitespace text"),
    ({"messages": [{"role": "user", "content": [{"type": "txt"}]}]}, "messages.0.content.0: Input tag 'txt'"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0.type: Field required"),
    ({"messages": [HI, {"role": "assistant", "content": "So "}]}, "cannot end with trailing whitespace"),
    ({"messages": [{"role": "user", "content": [RESULT]}]}, "messages.0.content.0: unexpected `tool_use_id`"),
    ({"messages": [HI, {"role": "assistant", "content": [USE]}]}, "messages.1: `tool_use` ids were found without"),
    ({"messages": [HI, {"role": "assistant", "content": [USE]}, HI]}, "immediately after: toolu_1"),
    ({"messages": [HI, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT, RESULT]}]},
     "messages.2.content.1: each tool_use must have a single result"),
    ({"messages": [HI, {"role": "assistant", "content": [USE, USE]}, {"role": "user", "content": [RESULT]}]},
     "messages.1.content.1: `tool_use` ids must be unique"),
    ({"messages": [HI, {"role": "assistant", "content": [{**USE, "input": "{}"}]},
                   {"role": "user", "content": [RESULT]}]},
     "messages.1.content.0.tool_use.input: Input should be a valid dictionary"),
    ({"messages": [{"role": "user", "content": [{"type": ["text"], "text": "x"}]}]}, "Input tag '['text']' found"),
    ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
    ({"system": [CACHED], "tools": [{**tool(), "cache_control": {"type": "ephemeral"}}],
      "messages": [{"role": "user", "content": [CACHED] * 3}]},
     "A maximum of 4 blocks with cache_control may be provided. Found 5."),
]  # fmt: skip
CONVERSE: list[tuple[dict[str, Any], str]] = [
    ({"inferenceConfig": {"temperature": 1.5}}, "less than or equal to 1"),
    ({"inferenceConfig": {"topP": -1}}, "'inferenceConfig.topP' failed to satisfy constraint"),
    ({"inferenceConfig": {"maxTokens": 0}}, "greater than or equal to 1"),
    ({"toolConfig": {"tools": []}}, "'toolConfig.tools' failed to satisfy constraint"),
    ({"toolConfig": {"tools": [spec("a b")]}}, "regular expression pattern: [a-zA-Z0-9_-]+"),
    ({"toolConfig": {"tools": [spec("a" * 65)]}}, "less than or equal to 64"),
    ({"toolConfig": {"tools": [spec(None)]}}, "must not be null"),
    ({"toolConfig": {"tools": [spec(), spec()]}}, "must be unique"),
    ({"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}}, "toolConfig.tools.0.toolSpec.inputSchema.json"),
    ({"toolConfig": {"tools": [spec()], "toolChoice": {"tool": {"name": "g"}}}}, "the tool g"),
    ({"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 9}}}, "or equal to 1024"),
    ({"inferenceConfig": {"maxTokens": 1024},
      "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}, "`max_tokens`"),
    ({"messages": converse(("assistant", [{"text": "Hi"}]))}, "must start with a user message"),
    ({"messages": converse(("user", []))}, "messages.0 is empty"),
    ({"messages": converse(("user", [{"text": " "}]))}, "messages.0.content.0 is blank"),
    ({"messages": converse(("user", [{"txt": "Hi"}]))}, "must set one of the following keys"),
    ({"messages": converse(("user", [{"toolResult": {"toolUseId": "a", "content": []}}]))}, "toolConfig field must be"),
    ({"toolConfig": {"tools": [spec()]}, "messages": converse(
        ("user", [{"toolResult": {"toolUseId": "a", "content": []}}]))}, "exceeds the number of toolUse blocks"),
    ({"toolConfig": {"tools": [spec()]}, "messages": converse(
        ("user", [{"text": "Hi"}]), ("assistant", [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]),
        ("user", [{"text": "Hi"}]))}, "Expected toolResult blocks at messages.2.content for the following Ids: a"),
]  # fmt: skip


def gemini(**config: Any) -> dict[str, Any]:
    """A generation config."""
    return {"generationConfig": config}


def declared(*names: Any) -> dict[str, Any]:
    """Function declarations."""
    return {"tools": [{"functionDeclarations": [{"name": name} for name in names]}]}


def calling(**config: Any) -> dict[str, Any]:
    """How functions are called."""
    return {"toolConfig": {"functionCallingConfig": config}}


GEMINI: list[tuple[dict[str, Any], str]] = [
    (gemini(temperature=2.5), "generation_config.temperature: temperature must be in the range [0.0, 2.0]"),
    ({"generation_config": {"top_p": 1.5}}, "top_p must be in the range [0.0, 1.0]"),
    (gemini(maxOutputTokens=0), "max_output_tokens must be positive"),
    (gemini(stopSequences=list("abcdef")), "at most 5"),
    (gemini(logprobs=3), "response_logprobs"),
    (gemini(responseLogprobs=True, logprobs=21), "[0, 20]"),
    (gemini(responseMimeType="text/html"), "allowed mimetypes"),
    (gemini(responseSchema={"type": "STRING"}), "response_mime_type"),
    (declared("1f"), "GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name"),
    (declared(None), "Invalid function name"),
    (declared("f", "f"), "Duplicate function declaration found: f"),
    (calling(mode="ANY"), "Function calling config is set without function_declarations"),
    (declared("f") | calling(mode="ANY", allowedFunctionNames=["g"]), "allowed_function_names"),
    (declared("f") | calling(mode="AUTO", allowedFunctionNames=["f"]), "mode is ANY"),
    (declared("f") | calling(mode="REQUIRED"), '"REQUIRED"'),
    ({"contents": [{"role": "assistant", "parts": [{"text": "Hi"}]}]}, "valid role: user, model"),
    ({"contents": [{"role": "user", "parts": []}]}, "contents.parts must not be empty"),
    ({"contents": [{"role": "user", "parts": [{}]}]}, "must have one initialized field"),
    ({"contents": [{"role": "user", "parts": [{"txt": "Hi"}]}]}, "Unknown name \"txt\" at 'contents[0].parts[0]'"),
    ({"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}]},
     "number of function response parts"),
    ({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [
        {"functionCall": {"name": "f"}}]}, {"role": "user", "parts": [{"text": "Hi"}]}]}, "immediately after"),
]  # fmt: skip
COHERE: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 1.5}, "temperature must be between 0 and 1"),
    ({"p": 1}, "p must be between 0.01 and 0.99"),
    ({"k": 501}, "500"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stop_sequences": list("abcdef")}, "maximum is 5"),
    ({"tools": [function(None)]}, "must have a name"),
    ({"tools": [function(), function()]}, "unique"),
    ({"tool_choice": "REQUIRED"}, "tools"),
    ({"tools": [function()], "tool_choice": "auto"}, "REQUIRED, NONE"),
    ({"messages": [{"role": "user", "content": ""}]}, "must have content"),
    ({"messages": [{"role": "user", "content": [{"type": "txt"}]}]}, "'txt'"),
    ({"messages": [HI, {"role": "tool", "tool_call_id": "a", "content": "1"}]}, "'a'"),
    ({"messages": [HI, CALLS]}, "call_1"),
]
OLLAMA: list[tuple[dict[str, Any], str]] = [
    ({"options": {"temperature": "hot"}}, 'option "temperature" must be of type float32'),
    ({"options": {"num_predict": "many"}}, 'option "num_predict" must be of type integer'),
    ({"options": {"stop": "END"}}, 'option "stop" must be of type array'),
    ({"think": "hard"}, 'invalid think value: "hard"'),
    ({"format": "xml"}, "invalid format"),
    ({"top_logprobs": 21}, "between 0 and 20"),
    ({"messages": [{"role": "user", "content": "x", "images": ["no base64!"]}]}, "illegal base64 data"),
]
INTERACTIONS: list[tuple[dict[str, Any], str]] = [
    ({"generation_config": {"temperature": 3}}, "[0.0, 2.0]"),
    ({"tools": [{"name": "f"}]}, "type"),
    ({"tools": [{"type": "function"}]}, "name"),
    ({"tools": [{"type": "function", "name": "f"}] * 2}, "Duplicate function declaration found: f"),
    ({"generation_config": {"tool_choice": "some"}}, "auto, any, none, validated"),
    ({"generation_config": {"tool_choice": "any"}}, "without function_declarations"),
    ({"tools": [{"type": "function", "name": "f"}], "generation_config": {
        "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["g"]}}}}, "'g'"),
    ({"input": [{"type": "function_result", "call_id": "a", "result": "1"}]}, "'a'"),
    ({"input": [{"type": "function_call", "id": "a", "name": "f", "arguments": {}}]}, "'a'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "rows"),
    [
        ("anthropic_messages", ANTHROPIC),
        ("bedrock_invoke", [row for row in ANTHROPIC if "model" not in row[0]]),
        ("bedrock_converse", CONVERSE),
        ("gemini", GEMINI),
        ("gemini_interactions", INTERACTIONS),
        ("cohere_chat", COHERE),
        ("ollama", OLLAMA),
    ],
)
def test_the_others_refuse(wire: str, rows: list[tuple[dict[str, Any], str]]) -> None:
    """The message has the facts."""
    for fields, fact in rows:
        with case(fields):
            error = refusal(wire, **fields)
            assert error is not None
            assert fact in error.message
            assert error.status == 400


@pytest.mark.parametrize(
    ("model", "budget", "fact"),
    [
        ("gemini-2.5-pro", 0, "Budget 0 is invalid"),
        ("gemini-2.5-pro", 40_000, "between 128 and 32768"),
        ("gemini-2.5-flash-lite", 100, "between 512 and 24576"),
        ("gemini-2.5-flash", 24_577, "between 0 and 24576"),
        ("gemini-2.5-flash", 0, None),
        ("gemini-2.5-pro", -1, None),
        ("gemini-9", 99_999, None),
    ],
)
def test_thinking_budgets_of_gemini(model: str, budget: int, fact: str | None) -> None:
    """The budgets of the models that are known; those of others are taken."""
    body = {**BODIES["gemini"], "generationConfig": {"thinkingConfig": {"thinkingBudget": budget}}}
    request = wire_named("gemini").read(f"/v1beta/models/{model}:generateContent", body, created=0, seed="")
    if fact is None:
        check_request(request, read_prompt(request))
    else:
        with pytest.raises(BadRequestError, match=fact):
            check_request(request, read_prompt(request))


@pytest.mark.parametrize(
    ("model", "body", "fact"),
    [
        ("amazon.titan-text-lite-v1", {"inputText": "Hi", "textGenerationConfig": {"temperature": 2}},
         "#/textGenerationConfig/temperature: 2 is not less or equal to 1"),
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "Hi", "top_p": 2}, "#/top_p: 2 is not less or equal to 1"),
        ("cohere.command-r-v1:0", {"message": "Hi", "p": 1}, "#/p: 1 is not less or equal to 0.99"),
        ("openai.gpt-oss-20b-1:0", {"messages": [HI], "temperature": 3}, "<= 2"),
        ("amazon.nova-lite-v1:0", {"messages": converse(("user", [{"text": ""}]))}, "is blank"),
    ],
)  # fmt: skip
def test_every_family_that_bedrock_invokes(model: str, body: dict[str, Any], fact: str) -> None:
    """Each family's own body has the rules of its provider."""
    request = wire_named("bedrock_invoke").read(f"/model/{model}/invoke", body, created=0, seed="")
    with pytest.raises(BadRequestError) as found:
        check_request(request, read_prompt(request))
    assert fact in found.value.message


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


def test_beta_features_lift_limits_of_anthropic() -> None:
    """Interleaved thinking takes a budget above max_tokens, and a beta of 3.7 takes 128,000 tokens."""
    interleaved = ((b"anthropic-beta", b"x,interleaved-thinking-2025-05-14"),)
    assert refusal("anthropic_messages", **with_thinking(5000)) is not None
    assert refusal("anthropic_messages", interleaved, **with_thinking(5000)) is None
    longer = ((b"anthropic-beta", b"output-128k-2025-02-19"),)
    assert refusal("anthropic_messages", model="claude-3-7-sonnet-latest", max_tokens=100_000) is not None
    assert refusal("anthropic_messages", longer, model="claude-3-7-sonnet-latest", max_tokens=100_000) is None


TAKEN: list[tuple[str, dict[str, Any]]] = [
    *((wire, BODIES.get(wire, BODY)) for wire in PATHS),
    *((wire, fields) for wire, fields in CONVERSATIONS.items() if wire not in ("bedrock_converse", "cohere_chat")),
    *((wire, fields) for wire, cases in FORCED.items() for fields in cases),
    ("bedrock_converse", {**CONVERSATIONS["bedrock_converse"], "toolConfig": {"tools": [spec("weather")]}}),
    ("cohere_chat", CONVERSATIONS["cohere_chat"]),
    ("openai_chat", {"temperature": 2, "top_p": 0, "stop": list("abcd"), "logprobs": True, "top_logprobs": 20}),
    ("openai_chat", {"messages": [{"role": "user", "content": "In JSON."}],
     "response_format": {"type": "json_object"}}),
    ("openai_chat", {"tools": [{"type": "custom", "custom": {"name": "sql"}}], "parallel_tool_calls": False}),
    ("openai_chat", {"messages": [HI, {"role": "assistant", "content": None, "function_call": CALL["function"]},
                                  {"role": "function", "name": "f", "content": "1"}]}),
    ("openai_responses", {"previous_response_id": "r", "input": [
        {"type": "function_call_output", "call_id": "call_1", "output": "1"}]}),
    ("openai_responses", {"text": {"format": {"type": "json_object"}}, "instructions": "Answer in JSON."}),
    ("openai_responses", {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}),
    ("anthropic_messages", with_thinking(1999, temperature=1, tools=[tool()], tool_choice={"type": "auto"})),
    ("anthropic_messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("anthropic_messages", {"messages": [HI, {"role": "assistant", "content": ""}]}),
    ("anthropic_messages", {"system": [CACHED], "tools": [{**tool(), "cache_control": CACHED["cache_control"]}],
                            "messages": [{"role": "user", "content": [CACHED, CACHED]}, HI]}),
    ("anthropic_messages", {"messages": [{"role": "user", "content": [RESULT]}],
                            "thread": {"type": "continue", "previous_message_id": "msg_1"}}),
    ("anthropic_messages", {"messages": [HI, {"role": "assistant", "content": [{"type": "text", "text": " "}, USE]},
                                         {"role": "user", "content": [RESULT, {"type": "text", "text": "Go on."}]}]}),
    ("gemini", {"contents": [{"parts": [{"text": "Hi"}]}, {"role": "model", "parts": [
        {"functionCall": {"name": "f"}, "thoughtSignature": "a"}, {"functionCall": {"name": "g"}}]},
        {"role": "function", "parts": [{"function_response": {"name": "f", "response": {}}},
                                       {"functionResponse": {"name": "g", "response": {}}}]}]}),
    # A stream sent each call, and the end, in a chunk of its own.
    ("gemini", {"contents": [{"parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
                             {"role": "model", "parts": [{"functionCall": {"name": "g"}}]},
                             {"role": "model", "parts": [{"text": ""}]},
                             {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}},
                                                        {"functionResponse": {"name": "g", "response": {}}}]}]}),
    *(("openai_chat", {"model": model, "max_tokens": tokens})
      for model, tokens in [("gpt-4.5-preview", 16_384), ("gpt-4-32k", 32_000), ("gpt-3.5-turbo-16k", 8000),
                            ("gpt-5-pro", 272_000)]),
    ("openai_responses", {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://s.example"}],
                          "tool_choice": {"type": "mcp", "server_label": "s", "name": "t"}}),
    ("ollama", {"messages": [{"role": "user", "content": "Hi", "images": ["iVBORw0K\nGgo=\n"]}]}),
    ("ollama", {"options": {"temperature": 9, "num_predict": -1}, "format": ""}),
    ("ollama", {"messages": [{"role": "tool", "content": "1", "tool_name": "f"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "fields"), TAKEN, ids=str)
def test_what_the_providers_take_is_taken(wire: str, fields: dict[str, Any]) -> None:
    """Bounds themselves, whole conversations, tools of every kind."""
    assert refusal(wire, **fields) is None


@given(st.sampled_from(sorted(WIRES)), st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6))
def test_any_body_can_be_checked(wire: str, body: dict[str, Any]) -> None:
    """A body of any form is taken or refused, whatever its fields hold."""
    request = ProviderRequest(wire, "anthropic.m", False, body=body)
    try:
        check_request(request, read_prompt(request))
    except BadRequestError as error:
        assert error.message


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each value in a body."""
    yield place
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from _places(inner, (*place, key))


def _with(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """A copy of the body with another value at a place."""
    if not place:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _with(value[place[0]], place[1:], other)
    return copy


ODD: list[Any] = [None, True, -1, 2**70, 0.5, "", "x", [], [[]], [None], {}, {"type": {}}, [{"type": []}], ["x", 1]]


CUSTOM = {"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}}


@pytest.mark.parametrize(
    ("wire", "fields"),
    [
        *CONVERSATIONS.items(),
        *((wire, cases[0]) for wire, cases in FORCED.items()),
        ("openai_chat", {"tools": [CUSTOM], "tool_choice": "required"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_value_of_another_type_is_refused_or_answered(wire: str, fields: dict[str, Any], step: int) -> None:
    """Whatever stands in place of one value of a request, it is refused or the model answers it."""
    whole = ask_of(wire, **fields)
    for place, odd in islice(product(filter(None, _places(whole.body)), ODD), 0, None, step):
        try:
            body = _with(whole.body, place, odd)
            request = wire_named(wire).read(PATHS[wire], body, created=0, seed="0")
        except BadRequestError:
            continue
        prompt = read_prompt(request)
        with suppress(BadRequestError):
            check_request(request, prompt)
        with suppress(SchemaError, ScriptError):
            encode(simulate(prompt, Simulation(), seed="0", locale="en"), request, Instant())
        cache_usage(request, PromptCache(), 0.0)


BAD: dict[str, dict[str, Any]] = {
    "openai_chat": {"temperature": 9},
    "openai_responses": {"temperature": 9},
    "openai_completions": {"temperature": 9},
    "anthropic_messages": {"temperature": 9},
    "bedrock_converse": {"inferenceConfig": {"temperature": 9}},
    "bedrock_invoke": {"temperature": 9},
    "gemini": gemini(temperature=9),
    "gemini_interactions": {"generation_config": {"temperature": 9}},
    "ollama": {"think": "hard"},
    "cohere_chat": {"temperature": 9},
}


@pytest.mark.parametrize("wire", BAD)
def test_a_refusal_is_served_in_the_providers_format(
    wire: str, server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """The status and the body are those of an error of that wire format; what is scripted answers all the same."""
    url = f"{server.url}/s/{session.id}{PATHS[wire]}"
    body = {**BODIES.get(wire, BODY), **BAD[wire]}
    refused = http.post(url, json=body)
    assert refused.status_code == 400
    assert "temperature" in refused.text or "think" in refused.text
    found = json.loads(refused.content)
    found = found[0] if isinstance(found, list) else found
    for field in WIRES[wire].facts.error_fields:
        value: Any = found
        for key in field.split("."):
            value = value[key]
        assert isinstance(value, str), field
    session.push(Script.of("Scripted."))
    session.add_rule(Rule((Script.of("By a rule."),)))
    assert [http.post(url, json=body).status_code for _ in range(2)] == [200, 200]
    assert [entry.answered_by for entry in session.journal.wait()] == ["error", "queue", "rule"]


def test_validation_can_be_turned_off(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """With `validate` off the simulated model answers; the control API and the session itself turn it off."""
    url = f"{server.url}/s/{session.id}/v1/chat/completions"
    body = {**BODY, "temperature": 9, "stream": False}
    assert http.post(url, json=body).status_code == 400
    session.configure(validate=False)
    assert http.post(url, json=body).status_code == 200
    session.configure(validate=True)
    assert http.post(url, json=body).status_code == 400
    created = http.post(f"{server.url}/_tokentape/sessions", json={"settings": {"validate": False}})
    assert created.json()["settings"]["validate"] is False


def test_the_official_sdks_raise_their_own_error(server: FakeProviderServer, openai_client: openai.OpenAI) -> None:
    """The SDK's error has the parameter and the code."""
    with pytest.raises(openai.BadRequestError) as found:
        openai_client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], temperature=3
        )
    assert (found.value.param, found.value.code) == ("temperature", "decimal_above_max_value")
    with (
        anthropic.Anthropic(base_url=server.base_url("anthropic_messages"), api_key="k") as client,
        pytest.raises(anthropic.BadRequestError, match="budget_tokens"),
    ):
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=1024,
            thinking={"type": "enabled", "budget_tokens": 1024},
            messages=[{"role": "user", "content": "Hi"}],
        )
