"""Messages and tools in the format of generateContent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, all_parts, turns
from tokentape.providers.tool import Tool

Part = dict[str, Any]


def gemini_contents(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body, without the system messages, which have a top-level field.

    The results of parallel tool calls are joined in one content. Raises ConfigurationError for a tool result whose
    function is unknown.
    """
    call_names: dict[str, str] = {}

    def content(message: ChatMessage) -> dict[str, Any]:
        call_names.update((call.id, call.name) for call in message.tool_calls)
        return {"role": "model" if message.role == "assistant" else "user", "parts": _parts(message)}

    def result(message: ChatMessage) -> Part:
        return {"functionResponse": _function_response(message, call_names)}

    return turns(messages, content, result, holder="parts")


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
    """Return all parts in their order.

    Thoughts are not sent back, but their signatures are, each on the next part, where they were received.
    """
    parts: list[Part] = []
    signature = ""
    for part in all_parts(message):
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
