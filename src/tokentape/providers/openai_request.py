"""Messages and tools as the Chat Completions API takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, provider_part
from tokentape.providers.tool import Tool
from tokentape.wires.reasoning_details import reasoning_detail


def openai_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Messages for the request body. Raises ConfigurationError for a tool result without an id."""
    return [openai_message(message) if isinstance(message, ChatMessage) else message for message in messages]


def openai_message(message: ChatMessage) -> dict[str, Any]:
    """One message. Reasoning is left out, as the API takes none back, but for OpenRouter's items, which it wants."""
    body: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.name:
        body["name"] = message.name
    if message.role == "tool":
        if not message.tool_call_id:
            raise ConfigurationError("a tool message needs the tool_call_id of the call it answers")
        body["tool_call_id"] = message.tool_call_id
    elif message.role == "assistant":
        if message.refusal:
            body["refusal"] = message.refusal
        if details := [reasoning_detail(part) for part in message.parts if _is_item(part)]:
            body["reasoning_details"] = details
        if message.tool_calls:
            body["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
        if body["content"] == "" and (message.tool_calls or message.refusal):
            body["content"] = None
    return body


def _is_item(part: Part) -> TypeGuard[ReasoningPart]:
    return isinstance(part, ReasoningPart) and bool(part.item)


def openai_tools(tools: Tools) -> list[Mapping[str, Any]]:
    """Tools for the request body; a provider's own object is passed through."""
    return [_tool(tool) if isinstance(tool, Tool) else tool for tool in tools]


def with_usage(body: dict[str, Any]) -> dict[str, Any]:
    """A request body that asks for a stream, and for the usage in it unless `stream_options` is None."""
    given = body.get("stream_options", {})
    if isinstance(given, Mapping):
        return body | {"stream": True, "stream_options": {"include_usage": True, **given}}
    if given is None:
        del body["stream_options"]
    return {"stream": True, **body}


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    parts = [part for part in message.parts if not (message.role == "assistant" and _is_output(part))]
    if not any(isinstance(part, ProviderPart) for part in parts):
        return message.text
    content: list[dict[str, Any]] = []
    if message.text and not any(isinstance(part, TextPart) for part in parts):
        content.append({"type": "text", "text": message.text})
    for part in parts:
        if isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ProviderPart):
            content.append(provider_part(part))
    return content


def _is_output(part: Part) -> bool:
    """Whether a part is sent beside an answer and never taken back: media, tools that the provider ran."""
    return isinstance(part, ProviderPart) and part.kind in ("image", "audio", "executed_tools")


def _tool_call(call: ToolCall) -> dict[str, Any]:
    arguments = call.raw_arguments or msgspec.json.encode(call.arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
