"""One reader reads what a request asks of the model from the body of every wire format."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.asks import BODIES, BODY, PATHS, ask_of
from tokentape_fake_provider.script.model import ToolCall
from tokentape_fake_provider.wires import WIRES, ProviderRequest, prompt_reader
from tokentape_fake_provider.wires.prompt import Message, OutputFormat, Prompt, Tool, ToolChoice, ToolResult
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


@pytest.mark.parametrize("wire", CHAT_WIRES)
def test_a_conversation_reads_alike_in_every_format(wire: str) -> None:
    """System, user, a call and its result: the result is the tool's, not the user's, and has the call's name."""
    prompt = prompt_of(wire, **CONVERSATIONS[wire])
    call = ToolCall("weather", ARGUMENTS, "call_1")
    result = ToolResult("Sun", "call_1", "weather")
    flat = [(message.role, message.text) for message in prompt.messages if message.text]
    assert flat == [("system", "Be brief."), ("user", "Hi"), ("assistant", "I look."), ("tool", "Sun")]
    assert [call for message in prompt.messages for call in message.calls] == [call]
    assert (prompt.system, prompt.last_user, prompt.turn, prompt.results) == ("Be brief.", "Hi", 1, (result,))


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


JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("wire", "fields", "output"),
    [
        ("openai_chat", {"response_format": {"type": "text"}}, OutputFormat()),
        ("openai_chat", {"response_format": {"type": "json_object"}}, OutputFormat("json")),
        ("openai_chat", {"response_format": JSON_SCHEMA}, OutputFormat("schema", SCHEMA, "place", True)),
        (
            "openai_responses",
            {"text": {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}},
            OutputFormat("schema", SCHEMA, "place", True),
        ),
        ("openai_responses", {"text": {"format": {"type": "json_object"}}}, OutputFormat("json")),
        (
            "anthropic_messages",
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            OutputFormat("schema", SCHEMA),
        ),
        (
            "anthropic_messages",
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            OutputFormat("schema", SCHEMA),
        ),
        (
            "bedrock_converse",
            {
                "outputConfig": {
                    "textFormat": {
                        "type": "json_schema",
                        "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
                    }
                }
            },
            OutputFormat("schema", {"type": "object"}, "n"),
        ),
        (
            "bedrock_invoke",
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            OutputFormat("schema", SCHEMA),
        ),
        ("gemini", {"generationConfig": {"responseMimeType": "application/json"}}, OutputFormat("json")),
        (
            "gemini",
            {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
            OutputFormat("schema", SCHEMA, strict=True),
        ),
        (
            "gemini",
            {"generation_config": {"response_mime_type": "application/json", "response_schema": OPENAPI}},
            OutputFormat("schema", SCHEMA, strict=True),
        ),
        (
            "gemini",
            {"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}}},
            OutputFormat("enum", {"type": "string"}),
        ),
        (
            "gemini_interactions",
            {"response_format": {"type": "text", "mime_type": "application/json", "schema": SCHEMA}},
            OutputFormat("schema", SCHEMA),
        ),
        ("ollama", {"format": "json"}, OutputFormat("json")),
        ("ollama", {"format": SCHEMA}, OutputFormat("schema", SCHEMA, strict=True)),
        ("cohere_chat", {"response_format": {"type": "json_object"}}, OutputFormat("json")),
        (
            "cohere_chat",
            {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
            OutputFormat("schema", SCHEMA),
        ),
    ],
    ids=str,
)
def test_output_formats(wire: str, fields: dict[str, Any], output: OutputFormat) -> None:
    """Every word for JSON reads as one form."""
    assert prompt_of(wire, **fields).output == output


@pytest.mark.parametrize(
    ("wire", "fields"),
    [
        ("openai_chat", {"max_completion_tokens": 7, "max_tokens": ..., "stop": "END", "seed": 3}),
        ("openai_chat", {"max_tokens": 7, "stop": ["END"], "random_seed": 3}),
        ("openai_completions", {"max_tokens": 7, "stop": ["END", ""], "seed": 3}),
        ("anthropic_messages", {"max_tokens": 7, "stop_sequences": ["END"], "seed": 3}),
        ("bedrock_converse", {"inferenceConfig": {"maxTokens": 7, "stopSequences": ["END"]}, "seed": 3}),
        ("gemini", {"generationConfig": {"maxOutputTokens": 7, "stopSequences": ["END"], "seed": 3}}),
        ("gemini", {"generation_config": {"max_output_tokens": 7, "stop_sequences": ["END"], "seed": 3}}),
        ("gemini_interactions", {"generation_config": {"max_output_tokens": 7, "stop_sequences": ["END"], "seed": 3}}),
        ("ollama", {"max_tokens": ..., "options": {"num_predict": 7, "stop": ["END"], "seed": 3}}),
        ("cohere_chat", {"max_tokens": 7, "stop_sequences": ["END"], "seed": 3}),
    ],
    ids=str,
)
def test_limits(wire: str, fields: dict[str, Any]) -> None:
    """Limits, stop sequences and the seed have one place in a prompt."""
    prompt = prompt_of(wire, **fields)
    assert (prompt.max_tokens, prompt.stop, prompt.seed) == (7, ("END",), 3)


def test_no_limit_of_ollama() -> None:
    """Ollama's -1 is no limit."""
    assert prompt_of("ollama", max_tokens=..., options={"num_predict": -1}).max_tokens is None


@pytest.mark.parametrize(
    ("model", "body", "limit"),
    [
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "Hi", "max_gen_len": 9}, 9),
        ("amazon.titan-text-lite-v1", {"inputText": "Hi", "textGenerationConfig": {"maxTokenCount": 9}}, 9),
        ("mistral.mistral-7b-instruct-v0:2", {"prompt": "Hi", "max_tokens": 9}, 9),
        ("cohere.command-r-v1:0", {"message": "Hi", "max_tokens": 9}, 9),
        (
            "amazon.nova-lite-v1:0",
            {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"max_new_tokens": 9}},
            9,
        ),
        ("openai.gpt-oss-20b-1:0", {"messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 9}, 9),
    ],
)
def test_every_family_that_bedrock_invokes(model: str, body: dict[str, Any], limit: int) -> None:
    """The prompt and the limit of each family's own body."""
    ask = WIRES["bedrock_invoke"].read(f"/model/{model}/invoke", body, created=0, seed="")
    prompt = read_prompt(ask)
    assert (prompt.last_user, prompt.turn, prompt.max_tokens) == ("Hi", 1, limit)


def test_cohere_on_bedrock() -> None:
    """The first version of Cohere's chat: history, preamble, tools by parameter definitions, documents."""
    prompt = read(
        {
            "preamble": "Be brief.",
            "chat_history": [{"role": "USER", "message": "One?"}, {"role": "CHATBOT", "message": "Two."}],
            "message": "Three?",
            "documents": [{"title": "T", "snippet": "S"}],
            "tools": [
                {
                    "name": "weather",
                    "description": "Tells.",
                    "parameter_definitions": {"city": {"type": "str", "required": True}},
                }
            ],
        }
    )
    assert [(message.role, message.text) for message in prompt.messages] == [
        ("system", "Be brief."),
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "Three?"),
    ]
    assert prompt.tools[0].schema == SCHEMA
    assert (prompt.documents[0].text, prompt.documents[0].title, prompt.citations) == ("S", "T", True)


@pytest.mark.parametrize(
    ("wire", "fields", "enabled", "effort", "budget", "visible"),
    [
        ("openai_chat", {"reasoning_effort": "high"}, True, "high", None, None),
        ("openai_chat", {"reasoning_effort": "none"}, False, "none", None, None),
        ("openai_chat", {"reasoning": {"max_tokens": 900, "exclude": True}}, True, None, 900, False),  # OpenRouter
        ("openai_chat", {"thinking": {"type": "disabled"}}, False, None, None, None),  # DeepSeek
        ("openai_chat", {"reasoning_format": "hidden"}, None, None, None, False),  # Groq
        ("openai_responses", {"reasoning": {"effort": "low", "summary": "auto"}}, True, "low", None, True),
        ("openai_responses", {"reasoning": {"effort": "low"}}, True, "low", None, False),
        ("anthropic_messages", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, True, None, 1024, None),
        (
            "anthropic_messages",
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
            True,
            "max",
            None,
            False,
        ),
        (
            "bedrock_converse",
            {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}}},
            True,
            None,
            2000,
            None,
        ),
        (
            "gemini",
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 512, "includeThoughts": True}}},
            True,
            None,
            512,
            True,
        ),
        ("gemini", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, False, None, None, False),
        ("gemini", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, True, "low", None, False),
        ("gemini", {"generation_config": {"thinking_config": {"thinking_budget": -1}}}, True, None, None, False),
        (
            "gemini_interactions",
            {"generation_config": {"thinking_level": "high", "thinking_summaries": "auto"}},
            True,
            "high",
            None,
            True,
        ),
        ("ollama", {"think": True}, True, None, None, None),
        ("ollama", {"think": "medium"}, True, "medium", None, None),
        ("ollama", {"think": False}, False, None, None, None),
        ("cohere_chat", {"thinking": {"type": "enabled", "token_budget": 300}}, True, None, 300, None),
    ],
    ids=str,
)
def test_reasoning(wire: str, fields: dict[str, Any], enabled: Any, effort: Any, budget: Any, visible: Any) -> None:
    """Switches, efforts, budgets and what of it is shown."""
    reasoning = prompt_of(wire, **fields).reasoning
    assert (reasoning.enabled, reasoning.effort, reasoning.budget, reasoning.visible) == (
        enabled,
        effort,
        budget,
        visible,
    )


def test_text_beside_results_begins_no_turn() -> None:
    """What the user says in one message with results comes after them, and the results still count as the last ones."""
    messages = [*ANTHROPIC_MESSAGES[:2], {
        "role": "user",
        "content": [*ANTHROPIC_MESSAGES[2]["content"], {"type": "text", "text": "Go on."}]}]  # type: ignore[misc]  # fmt: skip
    prompt = prompt_of("anthropic_messages", messages=messages)
    assert [message.role for message in prompt.messages] == ["user", "assistant", "tool", "user"]
    assert (prompt.last_user, prompt.turn, [result.text for result in prompt.results]) == ("Go on.", 1, ["Sun"])


def test_documents_that_may_be_cited() -> None:
    """Documents of Anthropic's, with the text that they have, and Cohere's beside the messages."""
    document = {
        "type": "document",
        "title": "Ports",
        "source": {"type": "text", "media_type": "text/plain", "data": "Lisbon is a port."},
        "citations": {"enabled": True},
    }
    prompt = prompt_of("anthropic_messages", messages=[{"role": "user", "content": [document]}])
    assert (prompt.documents[0].text, prompt.documents[0].title, prompt.citations) == (
        "Lisbon is a port.",
        "Ports",
        True,
    )
    given = [{"id": "1", "data": {"title": "Ports", "text": "Lisbon is a port."}}, "Porto, too."]
    cohere = prompt_of("cohere_chat", documents=given)
    assert [(document.id, document.text) for document in cohere.documents] == [
        ("1", "Lisbon is a port."),
        ("", "Porto, too."),
    ]
    assert cohere.citations
    assert not prompt_of("cohere_chat", documents=given, citation_options={"mode": "OFF"}).citations


def test_verbosity_and_modalities() -> None:
    """How much text, and what besides text."""
    assert prompt_of("openai_chat", verbosity="low").verbosity == "low"
    assert prompt_of("openai_responses", text={"verbosity": "high"}).verbosity == "high"
    assert prompt_of("openai_chat", modalities=["text", "audio"]).modalities == ("audio",)
    assert prompt_of("gemini", generationConfig={"responseModalities": ["TEXT", "IMAGE"]}).modalities == ("image",)


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


def test_every_wire_has_a_plain_prompt() -> None:
    """The text of the plainest request is the user's, in every format."""
    assert set(PATHS) == set(WIRES)
    for wire in WIRES:
        assert read_prompt(ask_of(wire, **BODIES.get(wire, BODY))).last_user == "How are you?", wire


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
