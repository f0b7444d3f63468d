"""Messages and tools in the format of Bedrock's Converse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, all_parts, answered_call, turns
from tokentape.providers.tool import Tool, optional_fields

Block = dict[str, Any]


def converse_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body, without the system messages, which have a separate field.

    The results of parallel tool calls are joined in one message, as the API requires. Raises
    ConfigurationError for a tool result without an id.
    """
    return turns(
        messages,
        lambda message: {"role": message.role, "content": _blocks(message)},
        _tool_result,
    )


def converse_system(messages: Iterable[Message], option: Any = None) -> list[Any] | None:
    """Return the `system` field: the caller's option first, then each system message in order."""
    first: list[Any] = [{"text": option}] if isinstance(option, str) else list(option or ())
    system = first + [
        block
        for message in messages
        if isinstance(message, ChatMessage) and message.role in ("system", "developer")
        for block in _blocks(message)
    ]
    return system or None


def converse_tools(tools: Tools | None, option: Any = None) -> Mapping[str, Any] | None:
    """Return the `toolConfig` field: the caller's option with the tools added."""
    if tools is None:
        return option  # type: ignore[no-any-return]  # passed through as the caller wrote it
    tool_objects: list[Any] = [_tool(tool) if isinstance(tool, Tool) else tool for tool in tools]
    config = dict(option or {})
    return {**config, "tools": [*config.get("tools", ()), *tool_objects]}


def _blocks(message: ChatMessage) -> list[Block]:
    """Return all parts in their order. Empty text is left out, because the API rejects it."""
    blocks: list[Block] = []
    for part in all_parts(message):
        match part:
            case TextPart():
                if part.text:
                    blocks.append({"text": part.text})
            case ReasoningPart():
                blocks.extend(_reasoning(part))
            case ToolCall():
                blocks.append(_tool_use(part))
            case ProviderPart():
                blocks.append({part.kind: dict(part.data)})
            case _:
                assert_never(part)
    return blocks


def _reasoning(part: ReasoningPart) -> Iterable[Block]:
    if part.encrypted:
        yield {"reasoningContent": {"redactedContent": part.encrypted}}
    elif part.text:
        signed = {"signature": part.signature} if part.signature else {}
        yield {"reasoningContent": {"reasoningText": {"text": part.text, **signed}}}


def _tool_use(call: ToolCall) -> Block:
    return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}}


def _tool_result(message: ChatMessage) -> Block:
    result: Block = {"toolUseId": answered_call(message), "content": _blocks(message) or [{"text": ""}]}
    if message.metadata.get("is_error"):
        result["status"] = "error"
    return {"toolResult": result}


def _tool(tool: Tool) -> dict[str, Any]:
    return {"toolSpec": {"name": tool.name, "inputSchema": {"json": tool.parameters}, **optional_fields(tool)}}
