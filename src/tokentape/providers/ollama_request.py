"""Messages in the format of Ollama's chat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ToolCall
from tokentape.providers.messages import Message


def ollama_messages(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages for the request body. Raises ConfigurationError for a tool result of an unknown call.

    Ollama identifies tool results by the tool's name, newer versions also by the call's id. The name is that of the
    message, else of the call with its id.
    """
    body: list[Mapping[str, Any]] = []
    call_names: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, ChatMessage):
            body.append(message)
            continue
        call_names |= {call.id: call.name for call in message.tool_calls if call.id}
        body.append(_tool_result(message, call_names) if message.role == "tool" else _message(message))
    return body


def _message(message: ChatMessage) -> dict[str, Any]:
    """Return a message that is not a tool result. Images are the only provider-specific parts that Ollama accepts."""
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


def _tool_result(message: ChatMessage, call_names: Mapping[str, str]) -> dict[str, Any]:
    name = message.name or call_names.get(message.tool_call_id or "")
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
