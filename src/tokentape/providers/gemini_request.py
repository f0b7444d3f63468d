"""Messages and tools in the format of generateContent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools
from tokentape.providers.tool import Tool

Part = dict[str, Any]


def gemini_contents(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body, without the system messages, which have a top-level field.

    The results of parallel tool calls are joined in one content. Raises ConfigurationError for a tool result whose
    function is unknown.
    """
    contents: list[Mapping[str, Any]] = []
    results: list[Part] | None = None
    call_names: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, ChatMessage):
            results = None
            contents.append(message)
            continue
        match message.role:
            case "system" | "developer":
                pass
            case "tool":
                if results is None:
                    results = []
                    contents.append({"role": "user", "parts": results})
                results.append({"functionResponse": _function_response(message, call_names)})
            case "user":
                results = None
                contents.append({"role": "user", "parts": _parts(message)})
            case "assistant":
                results = None
                call_names |= {call.id: call.name for call in message.tool_calls}
                contents.append({"role": "model", "parts": _parts(message)})
            case never:
                assert_never(never)
    return contents


def gemini_system(messages: Iterable[Message], option: Any = None) -> Any:
    """Return the `systemInstruction`: the caller's option first, then each system message in order."""
    system = [
        part
        for message in messages
        if isinstance(message, ChatMessage) and message.role in ("system", "developer")
        for part in _parts(message)
    ]
    if not system:
        return option
    if isinstance(option, str):
        return {"parts": [{"text": option}, *system]}
    fields = option if isinstance(option, Mapping) else {}
    return {**fields, "parts": [*fields.get("parts", ()), *system]}


def gemini_tools(tools: Tools) -> list[Mapping[str, Any]]:
    """Return tools for the request body: all `Tool`s in one entry; objects in the provider's format are unchanged."""
    all_tools = list(tools)
    functions = [_tool(tool) for tool in all_tools if isinstance(tool, Tool)]
    provider_tools = [tool for tool in all_tools if not isinstance(tool, Tool)]
    return [{"functionDeclarations": functions}, *provider_tools] if functions else provider_tools


def _parts(message: ChatMessage) -> list[Part]:
    """Return the message's parts in their order, followed by text and tool calls that are in no part.

    Thoughts are not sent back, but their signatures are, each on the next part, where they were received.
    """
    parts: list[Part] = []
    signature = ""
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    parts.append(_signed({"text": part.text}, signature))
                    signature = ""
            case ReasoningPart():
                if signature:
                    parts.append(_signed({"text": ""}, signature))
                signature = part.signature
            case ToolCall():
                parts.append(_signed({"functionCall": _function_call(part)}, signature))
                signature = ""
            case ProviderPart():
                parts.append(dict(part.data))
            case _:
                assert_never(part)
    if message.text and not any(isinstance(part, TextPart) for part in message.parts):
        parts.append({"text": message.text})
    if not any(isinstance(part, ToolCall) for part in message.parts):
        parts.extend({"functionCall": _function_call(call)} for call in message.tool_calls)
    if signature:
        parts.append(_signed({"text": ""}, signature))
    return parts or [{"text": ""}]


def _signed(part: Part, signature: str) -> Part:
    return {**part, "thoughtSignature": signature} if signature else part


def _function_call(call: ToolCall) -> Part:
    return {"name": call.name, "args": call.arguments, **({"id": call.id} if call.id else {})}


def _function_response(message: ChatMessage, call_names: Mapping[str, str]) -> Part:
    call_id = message.tool_call_id or ""
    name = message.name or call_names.get(call_id)
    if not name:
        raise ConfigurationError(
            f"no call {call_id!r} is in the messages: a tool message needs the tool_call_id of a call before it, "
            "or the function's name (name=)"
        )
    try:
        result = msgspec.json.decode(message.text)
    except (msgspec.DecodeError, RecursionError):
        result = message.text
    failed = bool(message.metadata.get("is_error"))
    response = result if isinstance(result, dict) and not failed else {"error" if failed else "result": result}
    return {**({"id": call_id} if call_id else {}), "name": name, "response": response}


def _tool(tool: Tool) -> dict[str, Any]:
    body: dict[str, Any] = {"name": tool.name, "parametersJsonSchema": tool.parameters}
    if tool.description:
        body["description"] = tool.description
    return body
