"""Messages and tools in the format of the Messages API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, answered_call, provider_part
from tokentape.providers.tool import Tool, optional_fields

Block = dict[str, Any]


def anthropic_body(
    fields: Mapping[str, Any], messages: Sequence[Message], tools: Tools | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the request body from these fields, the messages, tools and options."""
    body: dict[str, Any] = {**fields, "messages": anthropic_messages(messages)}
    if tools is not None:
        body["tools"] = anthropic_tools(tools)
    body |= options
    system = anthropic_system(messages, options.get("system"))
    if system is not None:
        body["system"] = system
    return body


def anthropic_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body, without the system messages, which have a top-level field.

    The results of parallel tool calls are joined in one message, as the API requires. Raises
    ConfigurationError for a tool result without an id.
    """
    body: list[Mapping[str, Any]] = []
    results: list[Block] | None = None
    for message in messages:
        if not isinstance(message, ChatMessage):
            results = None
            body.append(message)
            continue
        match message.role:
            case "system" | "developer":
                pass
            case "tool":
                if results is None:
                    results = []
                    body.append({"role": "user", "content": results})
                results.append(_tool_result(message))
            case "user":
                results = None
                body.append({"role": "user", "content": _user_content(message)})
            case "assistant":
                results = None
                body.append({"role": "assistant", "content": _assistant_content(message)})
            case never:
                assert_never(never)
    return body


def anthropic_system(messages: Iterable[Message], option: Any = None) -> str | list[Any] | None:
    """Return the top-level `system`: the caller's option first, then each system message in order."""
    system = [
        message for message in messages if isinstance(message, ChatMessage) and message.role in ("system", "developer")
    ]
    if not system:
        return option  # type: ignore[no-any-return]  # passed through as the caller wrote it
    if isinstance(option, str | None) and not any(message.parts for message in system):
        return "\n\n".join(text for text in (option, *(message.text for message in system)) if text)
    first: list[Any] = [{"type": "text", "text": option}] if isinstance(option, str) else list(option or ())
    return first + [block for message in system for block in _blocks(message)]


def anthropic_tools(tools: Tools) -> list[Mapping[str, Any]]:
    """Return tools for the request body; objects in the provider's format are passed through."""
    return [_tool(tool) if isinstance(tool, Tool) else tool for tool in tools]


def _user_content(message: ChatMessage) -> str | list[Block]:
    return _blocks(message) if message.parts else message.text


def _assistant_content(message: ChatMessage) -> str | list[Block]:
    if not message.parts and not message.tool_calls:
        return message.text
    return _blocks(message)


def _blocks(message: ChatMessage) -> list[Block]:
    """Return the message's parts in their order, followed by text and tool calls that are in no part.

    Reasoning without a signature and empty text are left out, because the API rejects both.
    """
    parts: Sequence[TextPart | ReasoningPart | ToolCall | ProviderPart] = message.parts
    blocks: list[Block] = []
    for part in parts:
        match part:
            case TextPart():
                if part.text:
                    citations = {"citations": list(part.citations)} if part.citations else {}
                    blocks.append({"type": "text", "text": part.text, **citations})
            case ReasoningPart():
                if part.encrypted:
                    blocks.append({"type": "redacted_thinking", "data": part.encrypted})
                elif part.signature:
                    blocks.append({"type": "thinking", "thinking": part.text, "signature": part.signature})
            case ToolCall():
                blocks.append(_tool_use(part))
            case ProviderPart():
                blocks.append(provider_part(part))
            case _:
                assert_never(part)
    if message.text and not any(isinstance(part, TextPart) for part in parts):
        blocks.append({"type": "text", "text": message.text})
    in_parts = {part.id for part in parts if isinstance(part, ToolCall)}
    blocks.extend(_tool_use(call) for call in message.tool_calls if call.id not in in_parts)
    return blocks


def _tool_use(call: ToolCall) -> Block:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _tool_result(message: ChatMessage) -> Block:
    result: Block = {
        "type": "tool_result",
        "tool_use_id": answered_call(message),
        "content": _user_content(message),
    }
    if message.metadata.get("is_error"):
        result["is_error"] = True
    return result


def _tool(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "input_schema": tool.parameters, **optional_fields(tool)}
