"""Messages and tools in the format of the Chat Completions API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import msgspec

from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, ToolCall
from tokentape.providers.messages import Message, Tools, answered_call, content_parts
from tokentape.providers.tool import Tool, optional_fields
from tokentape.wires.reasoning_details import reasoning_detail


def openai_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body. Raises ConfigurationError for a tool result without an id."""
    return [openai_message(message) if isinstance(message, ChatMessage) else message for message in messages]


def openai_message(message: ChatMessage) -> dict[str, Any]:
    """Return one message. Reasoning is left out, except OpenRouter's items: the API accepts no other reasoning."""
    body: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.name:
        body["name"] = message.name
    if message.role == "tool":
        body["tool_call_id"] = answered_call(message)
    elif message.role == "assistant":
        if message.refusal:
            body["refusal"] = message.refusal
        if details := [reasoning_detail(part) for part in message.parts if _is_item(part)]:
            body["reasoning_details"] = details
        if message.tool_calls:
            body["tool_calls"] = [openai_tool_call(call) for call in message.tool_calls]
        if body["content"] == "" and (message.tool_calls or message.refusal):
            body["content"] = None
    return body


def _is_item(part: Part) -> TypeGuard[ReasoningPart]:
    return isinstance(part, ReasoningPart) and bool(part.item)


def openai_tools(tools: Tools) -> list[Mapping[str, Any]]:
    """Return tools for the request body; objects in the provider's format are passed through."""
    return [_tool(tool) if isinstance(tool, Tool) else tool for tool in tools]


def with_usage(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a request for a stream; it also requests usage, unless `stream_options` is None."""
    stream_options = body.get("stream_options", {})
    if isinstance(stream_options, Mapping):
        return body | {"stream": True, "stream_options": {"include_usage": True, **stream_options}}
    if stream_options is None:
        del body["stream_options"]
    return {"stream": True, **body}


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    parts = [part for part in message.parts if not (message.role == "assistant" and _is_output(part))]
    return content_parts(message.text, parts, "text")


def _is_output(part: Part) -> bool:
    """Whether a part is only output and not accepted as input: media, tools that the provider ran."""
    return isinstance(part, ProviderPart) and part.kind in ("image", "audio", "executed_tools")


def openai_tool_call(call: ToolCall) -> dict[str, Any]:
    """Return a tool call for the request body."""
    arguments = call.raw_arguments or msgspec.json.encode(call.arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "parameters": tool.parameters, **optional_fields(tool)}
    return {"type": "function", "function": function}
