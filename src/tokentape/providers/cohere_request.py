"""Messages in the format of Cohere's chat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, answered_call, provider_part
from tokentape.providers.openai_request import openai_tool_call

Content = str | list[dict[str, Any]]


def cohere_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body. Raises ConfigurationError for a tool result without an id."""
    return [_message(message) if isinstance(message, ChatMessage) else message for message in messages]


def _message(message: ChatMessage) -> dict[str, Any]:
    match message.role:
        case "system" | "developer":
            return {"role": "system", "content": _content(message)}
        case "user":
            return {"role": "user", "content": _content(message)}
        case "tool":
            return {"role": "tool", "tool_call_id": answered_call(message), "content": _content(message)}
        case "assistant":
            return _assistant(message)
        case never:
            assert_never(never)


def _assistant(message: ChatMessage) -> dict[str, Any]:
    """Return a model's message, with its tool plan, calls and citations in separate fields."""
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
        body["tool_calls"] = [openai_tool_call(call) for call in message.tool_calls]
    citations = [citation for part in message.parts if isinstance(part, TextPart) for citation in part.citations]
    if citations:
        body["citations"] = citations
    return body


def _content(message: ChatMessage) -> Content:
    """Return the parts that are content in their order, followed by text that is in no part."""
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
                pass  # sent in a separate field
            case _:
                assert_never(part)
    text = message.text or message.refusal
    if all(block["type"] == "text" for block in blocks):
        return text
    if text and not any(isinstance(part, TextPart) for part in message.parts):
        blocks.append({"type": "text", "text": text})
    return blocks
