"""Messages and tools in the format of the Responses API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, assert_never

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, answered_call, content_parts, provider_part
from tokentape.providers.tool import Tool, optional_fields

InputItem = dict[str, Any]

MAX_ID_LENGTH = 64
"""The API's limit. A longer signature comes from another provider."""


def responses_input(
    messages: Iterable[Message], tools: Iterable[Mapping[str, Any]] = (), *, stored: bool = True
) -> list[Mapping[str, Any]]:
    """Return the input items of messages; items in the provider's format are passed through.

    `tools` shows which calls are calls of custom tools. If `stored`, the provider keeps responses, so reasoning can be
    sent as its id alone. Raises ConfigurationError for a tool result without an id, and for the result of a call that
    needs a special item.
    """
    custom = {tool.get("name") for tool in tools if tool.get("type") == "custom"}
    custom_ids: set[str] = set()
    provider_calls: dict[str, str] = {}
    items: list[Mapping[str, Any]] = []
    for message in messages:
        if not isinstance(message, ChatMessage):
            items.append(message)
            continue
        match message.role:
            case "system" | "developer" | "user":
                items.append({"role": message.role, "content": _content(message)})
            case "tool":
                if (kind := provider_calls.get(message.tool_call_id or "")) is not None:
                    raise ConfigurationError(
                        f"call {message.tool_call_id} is a {kind}: answer it with a dict of the API's own type, such "
                        f"as {kind.removesuffix('_call')}_call_output, not with a tool message"
                    )
                items.append(_tool_result(message, custom_ids))
            case "assistant":
                custom_ids.update(call.id for call in message.tool_calls if call.name in custom)
                for part in message.parts:
                    if isinstance(part, ProviderPart) and part.awaits_result:
                        provider_calls[str(part.data.get("call_id"))] = part.kind
                items.extend(_assistant_items(message, custom_ids, stored=stored))
            case never:
                assert_never(never)
    return items


def responses_tools(tools: Tools) -> list[Mapping[str, Any]]:
    """Return tools for the request body; objects in the provider's format are passed through."""
    return [_tool(tool) if isinstance(tool, Tool) else tool for tool in tools]


def _content(message: ChatMessage) -> str | list[InputItem]:
    return content_parts(message.text, message.parts, "input_text")


def _tool_result(message: ChatMessage, custom_ids: set[str]) -> InputItem:
    call_id = answered_call(message)
    kind = "custom_tool_call_output" if call_id in custom_ids else "function_call_output"
    return {"type": kind, "call_id": call_id, "output": _content(message)}


def _assistant_items(message: ChatMessage, custom_ids: set[str], *, stored: bool) -> Iterator[InputItem]:
    """Yield the items of a model's message in their order, followed by text and tool calls that are in no part."""
    reasoning: InputItem | None = None
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    yield _text_item(part)
            case ReasoningPart():
                # The parts of one item's summary all have its id; the first one has the encrypted text.
                if reasoning is not None and reasoning["id"] == part.signature:
                    reasoning["summary"] += _summary(part)
                    continue
                reasoning = _reasoning(part, stored=stored)
                if reasoning is not None:
                    yield reasoning
            case ToolCall():
                yield _call(part, custom=part.id in custom_ids)
            case ProviderPart():
                yield provider_part(part)
            case _:
                assert_never(part)
    if message.text and not any(isinstance(part, TextPart) for part in message.parts):
        yield _text_item(TextPart(message.text))
    if message.refusal:
        yield {"role": "assistant", "content": [{"type": "refusal", "refusal": message.refusal}]}
    in_parts = {part.id for part in message.parts if isinstance(part, ToolCall)}
    for call in message.tool_calls:
        if call.id not in in_parts:
            yield _call(call, custom=call.id in custom_ids)


def _text_item(part: TextPart) -> InputItem:
    phase = {"phase": part.phase} if part.phase else {}
    return {"role": "assistant", "content": [{"type": "output_text", "text": part.text}], **phase}


def _reasoning(part: ReasoningPart, *, stored: bool) -> InputItem | None:
    """Return the item; None if the provider could not use it, as it is another provider's or was not stored."""
    if not part.signature or len(part.signature) > MAX_ID_LENGTH or not (part.encrypted or stored):
        return None
    item: InputItem = {"type": "reasoning", "id": part.signature, "summary": _summary(part)}
    if part.encrypted:
        item["encrypted_content"] = part.encrypted
    return item


def _summary(part: ReasoningPart) -> list[InputItem]:
    return [{"type": "summary_text", "text": part.text}] if part.text else []


def _call(call: ToolCall, *, custom: bool) -> InputItem:
    if custom:
        return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.raw_arguments}
    arguments = call.raw_arguments or msgspec.json.encode(call.arguments).decode()
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}


def _tool(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "name": tool.name, "parameters": tool.parameters, **optional_fields(tool)}
