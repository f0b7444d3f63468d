"""Messages and tools in the format of the Messages API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, all_parts, answered_call, provider_part, turns
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
    return turns(messages, lambda message: {"role": message.role, "content": _content(message)}, _tool_result)


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


def _content(message: ChatMessage) -> str | list[Block]:
    called = message.role == "assistant" and message.tool_calls
    return _blocks(message) if message.parts or called else message.text


def _blocks(message: ChatMessage) -> list[Block]:
    """Return all parts in their order.

    Reasoning without a signature and empty text are left out, because the API rejects both.
    """
    blocks: list[Block] = []
    for part in all_parts(message):
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
    return blocks


def _tool_use(call: ToolCall) -> Block:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _tool_result(message: ChatMessage) -> Block:
    result: Block = {
        "type": "tool_result",
        "tool_use_id": answered_call(message),
        "content": _content(message),
    }
    if message.metadata.get("is_error"):
        result["is_error"] = True
    return result


def _tool(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "input_schema": tool.parameters, **optional_fields(tool)}
