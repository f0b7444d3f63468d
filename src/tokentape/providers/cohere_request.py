"""Messages as Cohere's chat takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, provider_part

Content = str | list[dict[str, Any]]


def cohere_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Messages for the request body. Raises ConfigurationError for a tool result without an id."""
    return [_message(message) if isinstance(message, ChatMessage) else message for message in messages]


def _message(message: ChatMessage) -> dict[str, Any]:
    match message.role:
        case "system" | "developer":
            return {"role": "system", "content": _content(message)}
        case "user":
            return {"role": "user", "content": _content(message)}
        case "tool":
            if not message.tool_call_id:
                raise ConfigurationError("a tool message needs the tool_call_id of the call it answers")
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": _content(message)}
        case "assistant":
            return _assistant(message)
        case never:
            assert_never(never)


def _assistant(message: ChatMessage) -> dict[str, Any]:
    """What the model said, with its tool plan, its calls and its citations in their own places."""
    body: dict[str, Any] = {"role": "assistant"}
    content = _content(message)
    if content or not message.tool_calls:
        body["content"] = content
    plan = "".join(
        str(part.data.get("tool_plan", ""))
        for part in message.parts
        if isinstance(part, ProviderPart) and part.kind == "tool_plan"
    )
    if plan:
        body["tool_plan"] = plan
    if message.tool_calls:
        body["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    citations = [citation for part in message.parts if isinstance(part, TextPart) for citation in part.citations]
    if citations:
        body["citations"] = citations
    return body


def _content(message: ChatMessage) -> Content:
    """The parts that are content, in their order; text that is in no part comes behind them."""
    blocks: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    blocks.append({"type": "text", "text": part.text})
            case ReasoningPart():
                if part.text:
                    blocks.append({"type": "thinking", "thinking": part.text})
            case ProviderPart():
                if part.kind != "tool_plan":
                    blocks.append(provider_part(part))
            case ToolCall():
                pass  # they have a place of their own
            case _:
                assert_never(part)
    text = message.text or message.refusal
    if all(block["type"] == "text" for block in blocks):
        return text
    if text and not any(isinstance(part, TextPart) for part in message.parts):
        blocks.append({"type": "text", "text": text})
    return blocks


def _tool_call(call: ToolCall) -> dict[str, Any]:
    arguments = call.raw_arguments or msgspec.json.encode(call.arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
