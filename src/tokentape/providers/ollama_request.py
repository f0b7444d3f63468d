"""Messages as Ollama's chat takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ToolCall
from tokentape.providers.messages import Message


def ollama_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Messages for the request body. Raises ConfigurationError for a tool result of no known call.

    Ollama knows the results of tools by the tool's name, newer versions by the call's id too: the name is that of
    the message, else of the call with that id.
    """
    body: list[Mapping[str, Any]] = []
    called: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, ChatMessage):
            body.append(message)
            continue
        called |= {call.id: call.name for call in message.tool_calls if call.id}
        body.append(_tool_result(message, called) if message.role == "tool" else _message(message))
    return body


def _message(message: ChatMessage) -> dict[str, Any]:
    """A message of anyone but a tool. Of parts that only another provider knows, images alone have a place."""
    role = "system" if message.role == "developer" else message.role
    body: dict[str, Any] = {"role": role, "content": message.text or message.refusal}
    if message.reasoning:
        body["thinking"] = message.reasoning
    images = [
        part.data["data"]
        for part in message.parts
        if isinstance(part, ProviderPart) and part.kind == "image" and isinstance(part.data.get("data"), str)
    ]
    if images:
        body["images"] = images
    if message.tool_calls:
        body["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    return body


def _tool_call(call: ToolCall) -> dict[str, Any]:
    body: dict[str, Any] = {"id": call.id} if call.id else {}
    return {**body, "function": {"name": call.name, "arguments": call.arguments}}


def _tool_result(message: ChatMessage, called: Mapping[str, str]) -> dict[str, Any]:
    name = message.name or called.get(message.tool_call_id or "")
    if not name and not message.tool_call_id:
        raise ConfigurationError(
            "a tool message needs the tool_call_id of the call it answers, or the tool's name where calls have no ids"
        )
    body: dict[str, Any] = {"role": "tool", "content": message.text}
    if name:
        body["tool_name"] = name
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    return body
