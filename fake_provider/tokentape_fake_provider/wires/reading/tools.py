"""Reads the tools that a request offers, and the choice between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from tokentape_fake_provider.wires.prompt import Tool, ToolChoice
from tokentape_fake_provider.wires.reading.fields import as_object, either, first, objects, strings, text_of
from tokentape_fake_provider.wires.reading.schemas import json_schema

_SCHEMAS: Final = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema", "parameters_json_schema")
TOOL_FIELDS: Final = ("tools", "functions", "toolConfig")
_NO_TOOLS: Final = ("functionDeclarations", "function_declarations", "cachePoint")
NO_ARGUMENTS: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}

KINDS: Final = (
    ("web_search", "web_search"),
    ("openrouter:web_search", "web_search"),
    ("browser_search", "web_search"),  # Groq
    ("google_search", "web_search"),
    ("googleSearch", "web_search"),
    ("enterpriseWebSearch", "web_search"),
    ("enterprise_web_search", "web_search"),
    ("nova_grounding", "web_search"),
    ("live_search", "web_search"),  # xAI
    ("web_fetch", "web_fetch"),
    ("url_context", "web_fetch"),
    ("urlContext", "web_fetch"),
    ("file_search", "file_search"),
    ("fileSearch", "file_search"),
    ("retrieval", "file_search"),
    ("code_interpreter", "code_interpreter"),
    ("nova_code_interpreter", "code_interpreter"),
    ("code_execution", "code_interpreter"),
    ("codeExecution", "code_interpreter"),
    ("image_generation", "image_generation"),
    ("mcp", "mcp"),
    ("computer", "computer"),
    ("bash", "shell"),
    ("shell", "shell"),
    ("local_shell", "shell"),
    ("apply_patch", "apply_patch"),
    ("text_editor", "text_editor"),
    ("memory", "memory"),
    ("tool_search", "tool_search"),
    ("google_maps", "maps"),
    ("googleMaps", "maps"),
)
"""How the providers' own words for their tools begin (they end with a version), and the kind."""

_MODES: Final[Mapping[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "validated": "auto",  # Gemini: a call or text; calls are valid by the schema
    "none": "none",
    "required": "required",
    "any": "required",
}


def read_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools of a request body, in order."""
    found: list[Tool] = []
    for field in TOOL_FIELDS:
        value = body.get(field)
        for tool in objects(value.get("tools") if isinstance(value, Mapping) else value):
            found += _tools(tool)
    for server in objects(body.get("mcp_servers")):  # Anthropic; a toolset of its name may configure it
        name = text_of(server.get("name"))
        if not any(tool.kind == "mcp" and tool.name == name for tool in found):
            found.append(Tool(name or "mcp", kind="mcp", definition=server))
    if isinstance(options := body.get("web_search_options"), Mapping):  # OpenAI's search models
        found.append(Tool("web_search", kind="web_search", definition=options))
    elif isinstance(search := body.get("search_parameters"), Mapping) and search.get("mode") != "off":  # xAI
        found.append(Tool("web_search", kind="web_search", definition=search))
    for plugin in objects(body.get("plugins")):  # OpenRouter
        if plugin.get("id") == "web":
            found.append(Tool("web_search", kind="web_search", definition=plugin))
    return tuple(found)


def read_tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> ToolChoice:
    """Which of the tools may or must be called."""
    config = either(body, "toolConfig")
    choice = first(body, "tool_choice", "function_call")
    if choice is None:
        choice = first(config, "toolChoice")
    if choice is None:
        choice = first(first(body, "generation_config", "generationConfig"), "tool_choice")
    if isinstance(calling := either(config, "functionCallingConfig"), Mapping):
        mode = text_of(calling.get("mode")).lower()
        return ToolChoice(_MODES.get(mode, "auto"), strings(either(calling, "allowedFunctionNames")))
    inner = as_object(choice)
    parallel = body.get("parallel_tool_calls") is not False and inner.get("disable_parallel_tool_use") is not True
    if body.get("functions") and not body.get("tools"):
        parallel = False  # a response has room for one `function_call`
    if isinstance(choice, str):
        return ToolChoice(_MODES.get(choice.lower(), "auto"), parallel=parallel)
    mode, names = _chosen(inner, tools)
    return ToolChoice(mode, names, parallel)


def _chosen(choice: Mapping[str, Any], tools: tuple[Tool, ...]) -> tuple[Literal["auto", "none", "required"], Any]:
    """The mode and the names of a choice that is an object."""
    if not choice:
        return "auto", ()
    for key in ("auto", "any"):  # Converse
        if isinstance(choice.get(key), Mapping):
            return _MODES[key], ()
    if isinstance(allowed := choice.get("allowed_tools"), Mapping) or choice.get("type") == "allowed_tools":
        allowed = allowed if isinstance(allowed, Mapping) else choice
        entries = allowed.get("tools")
        names = [_chosen_name(entry) for entry in objects(entries)] or strings(entries)
        return _MODES.get(text_of(allowed.get("mode")), "auto"), tuple(name for name in names if name)
    kind = text_of(choice.get("type"))
    if kind in _MODES:
        return _MODES[kind], ()
    name = _chosen_name(choice)
    if not name:
        return "auto", ()
    of_kind = tuple(tool.name for tool in tools if tool.name == name or tool.kind == name)
    return "required", of_kind or (name,)


def _chosen_name(choice: Mapping[str, Any]) -> str:
    """The tool that a choice names; for one of the provider's own without a name it is the kind."""
    inner = first(choice, "function", "custom", "tool", "toolSpec")
    name = first(inner if isinstance(inner, Mapping) else choice, "server_label", "name")
    return text_of(name) or (_kind_of(text_of(choice.get("type"))) if choice.get("type") != "function" else "")


def _tools(tool: Mapping[str, Any]) -> Iterator[Tool]:
    """The tools of an entry: Gemini's has several functions, and its own tools as fields."""
    declared = either(tool, "functionDeclarations")
    if declared is not None:
        for function in objects(declared):
            yield _function(function, function, google=True)
    for key in ("function", "custom", "toolSpec"):
        if isinstance(inner := tool.get(key), Mapping):
            yield _function(inner, tool, custom=key == "custom")
            return
    if isinstance(inner := tool.get("systemTool"), Mapping):  # Bedrock
        name = text_of(inner.get("name"))
        yield Tool(name, kind=_kind_of(name), definition=tool)
        return
    kind = tool.get("type")
    described = any(isinstance(tool.get(key), Mapping) for key in (*_SCHEMAS, "parameter_definitions"))
    if kind in ("function", None) or (described and "name" in tool):
        if isinstance(tool.get("name"), str):
            yield _function(tool, tool)
        elif kind is None:
            keys = (key for key, value in tool.items() if isinstance(value, Mapping) and key not in _NO_TOOLS)
            yield from (Tool(word, kind=word, definition=tool) for key in keys if (word := _kind_of(key)))
    elif kind == "custom":
        yield _function(tool, tool, custom=True)
    elif isinstance(kind, str):
        word = _kind_of(kind)
        name = text_of(first(tool, "name", "server_label", "mcp_server_name")) or word
        yield Tool(name, text_of(tool.get("description")), kind=word, definition=tool)


def _kind_of(word: str) -> str:
    """The kind of a provider's own tool; its own word if none is known."""
    return next((kind for start, kind in KINDS if word.startswith(start)), word)


def _function(
    tool: Mapping[str, Any], definition: Mapping[str, Any], *, custom: bool = False, google: bool = False
) -> Tool:
    name, description = text_of(tool.get("name")), text_of(tool.get("description"))
    if custom:
        return Tool(name, description, kind="custom", definition=definition)
    schema = first(tool, *_SCHEMAS)
    if isinstance(definitions := tool.get("parameter_definitions"), Mapping):
        schema = _of_definitions(definitions)
    elif google and isinstance(openapi := tool.get("parameters"), Mapping):
        schema = json_schema(openapi)
    elif isinstance(schema, Mapping) and isinstance(schema.get("json"), Mapping):  # Converse
        schema = schema["json"]
    return Tool(name, description, _of_object(schema), strict=tool.get("strict") is True, definition=definition)


def _of_object(schema: Any) -> Mapping[str, Any]:
    """The schema of arguments, which are an object also where it leaves that out."""
    if not isinstance(schema, Mapping) or not schema:
        return NO_ARGUMENTS
    return schema if _SHAPED & set(schema) else {"type": "object", **schema}


_SHAPED: Final = frozenset(("type", "$ref", "anyOf", "oneOf", "allOf", "const", "enum"))


# docs.cohere.com/v1/docs/parameter-types-in-tool-use: Python's words for types.
_PYTHON_TYPES: Final[Mapping[str, str]] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}


def _of_definitions(definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a tool of Cohere's first version."""
    properties: dict[str, Any] = {}
    for name, definition in definitions.items():
        word = text_of(as_object(definition).get("type")).partition("[")[0].lower()
        described = text_of(as_object(definition).get("description"))
        properties[name] = {"type": _PYTHON_TYPES.get(word, "string")} | (
            {"description": described} if described else {}
        )
    required = [name for name in definitions if as_object(definitions[name]).get("required") is True]
    return {"type": "object", "properties": properties, "required": required}
