"""Messages and tools in the format of Bedrock's Converse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, answered_call
from tokentape.providers.tool import Tool, optional_fields

Block = dict[str, Any]


def converse_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body, without the system messages, which have a separate field.

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
            case "user" | "assistant":
                results = None
                body.append({"role": message.role, "content": _blocks(message)})
            case never:
                assert_never(never)
    return body


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
    """Return the message's parts in their order, followed by text and tool calls that are in no part.

    Empty text is left out, because the API rejects it.
    """
    parts: Sequence[TextPart | ReasoningPart | ToolCall | ProviderPart] = message.parts
    blocks: list[Block] = []
    for part in parts:
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
    if message.text and not any(isinstance(part, TextPart) for part in parts):
        blocks.append({"text": message.text})
    in_parts = {part.id for part in parts if isinstance(part, ToolCall)}
    blocks.extend(_tool_use(call) for call in message.tool_calls if call.id not in in_parts)
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
