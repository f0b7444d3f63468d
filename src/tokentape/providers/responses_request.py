"""Messages and tools as the Responses API takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, assert_never

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.messages import Message, Tools, provider_part
from tokentape.providers.tool import Tool

InputItem = dict[str, Any]

MAX_ID_LENGTH = 64
"""The API's limit. What is longer is another provider's signature of its reasoning."""


def responses_input(
    messages: Iterable[Message], tools: Iterable[Mapping[str, Any]] = (), *, stored: bool = True
) -> list[Mapping[str, Any]]:
    """The input items of messages; a provider's own item is passed through.

    `tools` tells which calls are calls of custom tools, and `stored` whether the provider keeps responses, so that
    reasoning can be named by its id alone. Raises ConfigurationError for a tool result without an id, and for one of a
    call that is answered in a form of its own.
    """
    custom = {tool.get("name") for tool in tools if tool.get("type") == "custom"}
    customs: set[str] = set()
    own_calls: dict[str, str] = {}
    items: list[Mapping[str, Any]] = []
    for message in messages:
        if not isinstance(message, ChatMessage):
            items.append(message)
            continue
        match message.role:
            case "system" | "developer" | "user":
                items.append({"role": message.role, "content": _content(message)})
            case "tool":
                if (kind := own_calls.get(message.tool_call_id or "")) is not None:
                    raise ConfigurationError(
                        f"call {message.tool_call_id} is a {kind}: answer it with the API's own item, a dict of the "
                        f"type {kind.removesuffix('_call')}_call_output or as the API names it, not with a tool message"
                    )
                items.append(_result(message, customs))
            case "assistant":
                customs.update(call.id for call in message.tool_calls if call.name in custom)
                for part in message.parts:
                    if isinstance(part, ProviderPart) and part.awaits_result:
                        own_calls[str(part.data.get("call_id"))] = part.kind
                items.extend(_answer(message, customs, stored=stored))
            case never:
                assert_never(never)
    return items


def responses_tools(tools: Tools) -> list[Mapping[str, Any]]:
    """Tools for the request body; a provider's own object is passed through."""
    return [_tool(tool) if isinstance(tool, Tool) else tool for tool in tools]


def _content(message: ChatMessage) -> str | list[InputItem]:
    """A string, or where there is more than text, content parts in their order."""
    if not any(isinstance(part, ProviderPart) for part in message.parts):
        return message.text
    content: list[InputItem] = []
    if message.text and not any(isinstance(part, TextPart) for part in message.parts):
        content.append({"type": "input_text", "text": message.text})
    for part in message.parts:
        if isinstance(part, TextPart):
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, ProviderPart):
            content.append(provider_part(part))
    return content


def _result(message: ChatMessage, customs: set[str]) -> InputItem:
    if not message.tool_call_id:
        raise ConfigurationError("a tool message needs the tool_call_id of the call it answers")
    kind = "custom_tool_call_output" if message.tool_call_id in customs else "function_call_output"
    return {"type": kind, "call_id": message.tool_call_id, "output": _content(message)}


def _answer(message: ChatMessage, customs: set[str], *, stored: bool) -> Iterator[InputItem]:
    """The items of a model's answer in their order; text and tool calls that are in no part come behind them."""
    reasoning: InputItem | None = None
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    yield _said(part)
            case ReasoningPart():
                # The parts of one item's summary have its id; the encrypted text is with the first.
                if reasoning is not None and reasoning["id"] == part.signature:
                    reasoning["summary"] += _summary(part)
                    continue
                reasoning = _reasoning(part, stored=stored)
                if reasoning is not None:
                    yield reasoning
            case ToolCall():
                yield _call(part, custom=part.id in customs)
            case ProviderPart():
                yield provider_part(part)
            case _:
                assert_never(part)
    if message.text and not any(isinstance(part, TextPart) for part in message.parts):
        yield _said(TextPart(message.text))
    if message.refusal:
        yield {"role": "assistant", "content": [{"type": "refusal", "refusal": message.refusal}]}
    placed = {part.id for part in message.parts if isinstance(part, ToolCall)}
    for call in message.tool_calls:
        if call.id not in placed:
            yield _call(call, custom=call.id in customs)


def _said(part: TextPart) -> InputItem:
    phase = {"phase": part.phase} if part.phase else {}
    return {"role": "assistant", "content": [{"type": "output_text", "text": part.text}], **phase}


def _reasoning(part: ReasoningPart, *, stored: bool) -> InputItem | None:
    """The item, unless the provider could not make anything of it: it is another's, or was not kept."""
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
    body: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters}
    if tool.description:
        body["description"] = tool.description
    if tool.strict is not None:
        body["strict"] = tool.strict
    return body
