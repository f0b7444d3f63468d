"""Requests of each wire format, and the prompts that are read from them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.fake_provider.asks import ask_of
from tokentape_fake_provider.wires import WIRES, ProviderRequest
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.prompt_reader import read_prompt

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAPI = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
ARGUMENTS = '{"city":"Lisbon"}'
CHAT_WIRES = [name for name in WIRES if name != "openai_completions"]


def prompt_of(wire: str, **fields: Any) -> Prompt:
    """The prompt of a request with these fields."""
    return read_prompt(ask_of(wire, **fields))


def read(body: Any, wire: str = "openai_chat") -> Prompt:
    """The prompt of any body, as no wire has checked it."""
    return read_prompt(ProviderRequest(wire, "m", False, body=body))


def function(**beside: Any) -> dict[str, Any]:
    """A function as OpenAI's chat has it."""
    return {"type": "function", "function": {"name": "weather", "description": "Tells.", "parameters": SCHEMA} | beside}


OPENAI_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
ANTHROPIC_MESSAGES = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": [{"type": "text", "text": "I look."}, {
        "type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Lisbon"}}]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "Sun"}]}]},
]  # fmt: skip
OPENAI_MESSAGES = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "I look.", "tool_calls": [OPENAI_CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Sun"},
]
CONVERSATIONS: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": [{"role": "developer", "content": "Be brief."}, *OPENAI_MESSAGES]},
    "openai_responses": {"instructions": "Be brief.", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": ARGUMENTS},
        {"type": "function_call_output", "call_id": "call_1", "output": "Sun"}]},
    "anthropic_messages": {"system": [{"type": "text", "text": "Be brief."}], "messages": ANTHROPIC_MESSAGES},
    "bedrock_invoke": {"system": "Be brief.", "messages": ANTHROPIC_MESSAGES},
    "bedrock_converse": {"system": [{"text": "Be brief."}], "messages": [
        {"role": "user", "content": [{"text": "Hi"}]},
        {"role": "assistant", "content": [{"text": "I look."}, {"toolUse": {
            "toolUseId": "call_1", "name": "weather", "input": {"city": "Lisbon"}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "call_1", "content": [{"text": "Sun"}]}}]}]},
    "gemini": {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "I look."}, {"functionCall": {
            "id": "call_1", "name": "weather", "args": {"city": "Lisbon"}}}]},
        {"role": "user", "parts": [{"functionResponse": {
            "id": "call_1", "name": "weather", "response": {"output": "Sun"}}}]}]},
    "gemini_interactions": {"system_instruction": "Be brief.", "input": [
        {"type": "user_input", "content": [{"type": "text", "text": "Hi"}]},
        {"type": "model_output", "content": [{"type": "text", "text": "I look."}]},
        {"type": "function_call", "id": "call_1", "name": "weather", "arguments": {"city": "Lisbon"}},
        {"type": "function_result", "call_id": "call_1", "name": "weather", "result": "Sun"}]},
    "ollama": {"messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "I look.", "tool_calls": [
            {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Lisbon"}}}]},
        {"role": "tool", "tool_name": "weather", "tool_call_id": "call_1", "content": "Sun"}]},
    "cohere_chat": {"messages": [{"role": "system", "content": "Be brief."}, *OPENAI_MESSAGES[:2], {
        "role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Sun"}]}]},
}  # fmt: skip
FORCED: dict[str, tuple[dict[str, Any], ...]] = {
    "openai_chat": (
        {"tools": [function()], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
        {"functions": [function()["function"]], "function_call": {"name": "weather"}},
        {"tools": [function()], "tool_choice": {"type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [{"type": "function", "function": {"name": "weather"}}]}}},
    ),
    "openai_responses": (
        {"tools": [{"type": "function", **function()["function"]}],
         "tool_choice": {"type": "function", "name": "weather"}},
        {"tools": [{"type": "function", **function()["function"]}], "tool_choice": {
            "type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}},
    ),
    "anthropic_messages": (
        {"tools": [{"name": "weather", "description": "Tells.", "input_schema": SCHEMA}],
         "tool_choice": {"type": "tool", "name": "weather"}},
        {"tools": [{"type": "custom", "name": "weather", "description": "Tells.", "input_schema": SCHEMA}],
         "tool_choice": {"type": "tool", "name": "weather"}},
    ),
    "bedrock_converse": ({"toolConfig": {
        "tools": [{"toolSpec": {"name": "weather", "description": "Tells.", "inputSchema": {"json": SCHEMA}}},
                  {"cachePoint": {"type": "default"}}],
        "toolChoice": {"tool": {"name": "weather"}}}},),
    "gemini": tuple(
        {tools_field: [declared], config: {calling: {"mode": "ANY", allowed: ["weather"]}}}
        for tools_field, declared, config, calling, allowed in (
            ("tools", {"functionDeclarations": [{"name": "weather", "description": "Tells.", "parameters": OPENAPI}]},
             "toolConfig", "functionCallingConfig", "allowedFunctionNames"),
            ("tools", {"functionDeclarations": [
                {"name": "weather", "description": "Tells.", "parametersJsonSchema": SCHEMA}]},
             "toolConfig", "functionCallingConfig", "allowedFunctionNames"),
            ("tools", {"function_declarations": [{"name": "weather", "description": "Tells.", "parameters": OPENAPI}]},
             "tool_config", "function_calling_config", "allowed_function_names"),
        )
    ),
    "gemini_interactions": ({
        "tools": [{"type": "function", **function()["function"]}],
        "generation_config": {"tool_choice": {"allowed_tools": {"mode": "any", "tools": ["weather"]}}}},),
}  # fmt: skip
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
WORDS = [
    "text",
    "content",
    "parts",
    "role",
    "type",
    "user",
    "assistant",
    "tool",
    "messages",
    "input",
    "contents",
    "tools",
    "toolConfig",
    "functionDeclarations",
    "parameters",
    "properties",
    "tool_choice",
    "name",
    "response_format",
    "json_schema",
    "schema",
    "generationConfig",
    "thinking",
    "reasoning",
    "image_url",
    "source",
    "data",
    "documents",
    "tool_calls",
    "function",
    "arguments",
    "toolResult",
    "functionResponse",
    "response",
    "output",
    "stop",
    "bytes",
    "inlineData",
    "function_call_output",
    "tool_result",
    "image",
    "document",
    "allowed_tools",
    "prompt",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=25,
)
