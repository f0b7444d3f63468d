"""The prompt of a request: its tools, their schemas, and how one is chosen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_provider.prompts import FORCED, SCHEMA, prompt_of
from tokentape_fake_provider.wires.prompt import ToolChoice


@pytest.mark.parametrize(
    ("wire", "fields"), [(wire, fields) for wire, cases in FORCED.items() for fields in cases], ids=str
)
def test_a_named_tool_reads_alike(wire: str, fields: dict[str, Any]) -> None:
    """The tool has its name, description and JSON Schema, and the choice names it."""
    prompt = prompt_of(wire, **fields)
    (tool,) = prompt.callable_tools
    assert (tool.name, tool.description, tool.schema, tool.kind) == ("weather", "Tells.", SCHEMA, "function")
    assert (prompt.tool_choice.mode, prompt.tool_choice.names) == ("required", ("weather",))
    assert prompt.tools == (tool,)


@pytest.mark.parametrize(
    ("wire", "fields", "choice"),
    [
        ("openai_chat", {}, ToolChoice()),
        ("openai_chat", {"tool_choice": "none"}, ToolChoice("none")),
        ("openai_chat", {"tool_choice": "required"}, ToolChoice("required")),
        ("openai_chat", {"tool_choice": "any"}, ToolChoice("required")),  # Mistral's word
        ("openai_chat", {"tool_choice": "auto", "parallel_tool_calls": False}, ToolChoice("auto", (), False)),
        ("openai_chat", {"function_call": "none"}, ToolChoice("none")),
        ("openai_responses", {"tool_choice": {"type": "custom", "name": "c"}}, ToolChoice("required", ("c",))),
        ("openai_responses", {"tool_choice": {"type": "web_search_preview"}}, ToolChoice("required", ("web_search",))),
        (
            "openai_responses",
            {"tool_choice": {"type": "mcp", "server_label": "docs"}},
            ToolChoice("required", ("docs",)),
        ),
        ("anthropic_messages", {"tool_choice": {"type": "none"}}, ToolChoice("none")),
        (
            "anthropic_messages",
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
            ToolChoice("required", (), False),
        ),
        ("bedrock_converse", {"toolConfig": {"tools": [], "toolChoice": {"any": {}}}}, ToolChoice("required")),
        ("bedrock_converse", {"toolConfig": {"tools": [], "toolChoice": {"auto": {}}}}, ToolChoice()),
        ("gemini", {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}, ToolChoice("none")),
        ("gemini", {"toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}}, ToolChoice()),
        ("gemini_interactions", {"generation_config": {"tool_choice": "any"}}, ToolChoice("required")),
        ("cohere_chat", {"tool_choice": "REQUIRED"}, ToolChoice("required")),
        ("cohere_chat", {"tool_choice": "NONE"}, ToolChoice("none")),
    ],
    ids=str,
)
def test_tool_choices(wire: str, fields: dict[str, Any], choice: ToolChoice) -> None:
    """Every word for a choice reads as its mode."""
    assert prompt_of(wire, **fields).tool_choice == choice


@pytest.mark.parametrize(
    ("wire", "tool", "kind", "name"),
    [
        ("openai_chat", {"type": "custom", "custom": {"name": "sql"}}, "custom", "sql"),
        ("openai_responses", {"type": "custom", "name": "sql"}, "custom", "sql"),
        ("openai_responses", {"type": "web_search_preview_2025_03_11"}, "web_search", "web_search"),
        ("openai_responses", {"type": "code_interpreter", "container": {}}, "code_interpreter", "code_interpreter"),
        ("openai_responses", {"type": "mcp", "server_label": "docs"}, "mcp", "docs"),
        ("openai_responses", {"type": "local_shell"}, "shell", "shell"),
        ("openai_responses", {"type": "computer_use_preview"}, "computer", "computer"),
        ("openai_responses", {"type": "something_new"}, "something_new", "something_new"),
        ("anthropic_messages", {"type": "web_search_20260318", "name": "web_search"}, "web_search", "web_search"),
        ("anthropic_messages", {"type": "bash_20250124", "name": "bash"}, "shell", "bash"),
        (
            "anthropic_messages",
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            "text_editor",
            "str_replace_based_edit_tool",
        ),
        ("gemini", {"googleSearch": {}}, "web_search", "web_search"),
        ("gemini", {"google_search_retrieval": {}}, "web_search", "web_search"),
        ("gemini", {"codeExecution": {}}, "code_interpreter", "code_interpreter"),
        ("gemini", {"urlContext": {}}, "web_fetch", "web_fetch"),
        ("gemini_interactions", {"type": "mcp_server", "name": "docs"}, "mcp", "docs"),
    ],
    ids=str,
)
def test_tools_of_the_provider_have_their_kind(wire: str, tool: dict[str, Any], kind: str, name: str) -> None:
    """The kind is one word for all providers, and the definition is kept."""
    (read,) = prompt_of(wire, tools=[tool]).tools
    assert (read.kind, read.name, read.definition) == (kind, name, tool)


def test_a_function_without_parameters_takes_an_object() -> None:
    """Arguments are an object, also where the request does not describe them."""
    prompt = prompt_of("openai_chat", tools=[{"type": "function", "function": {"name": "now"}}])
    assert prompt.tools[0].schema == {"type": "object", "properties": {}}
    undeclared = {"type": "function", "function": {"name": "now", "parameters": {"properties": {"a": {}}}}}
    assert prompt_of("openai_chat", tools=[undeclared]).tools[0].schema == {"type": "object", "properties": {"a": {}}}


def test_openapi_schemas_become_json_schema() -> None:
    """Types, `nullable`, counts and references of Google's schemas; JSON Schema stays as it is."""
    openapi = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "format": "enum", "enum": ["A"], "nullable": True},
            "tags": {"type": "ARRAY", "minItems": "1", "items": {"type": "NUMBER", "format": "float"}},
            "pet": {"ref": "#/defs/Pet"},
            "either": {"any_of": [{"type": "INTEGER"}, {"type": "BOOLEAN"}]},
        },
        "propertyOrdering": ["type"],
        "defs": {"Pet": {"type": "TYPE_UNSPECIFIED", "description": "TYPE"}},
    }
    config = {"responseMimeType": "application/json", "responseSchema": openapi}
    assert prompt_of("gemini", generationConfig=config).output.schema == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["A", None]},
            "tags": {"type": "array", "minItems": 1, "items": {"type": "number", "format": "float"}},
            "pet": {"$ref": "#/$defs/Pet"},
            "either": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
        },
        "$defs": {"Pet": {"description": "TYPE"}},
    }
    given = {"type": "object", "properties": {"nullable": {"type": "string", "nullable": True, "example": "x"}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": given}}
    assert prompt_of("openai_chat", response_format=form).output.schema == given
