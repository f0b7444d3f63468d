"""A script as the events of Converse: Bedrock's ConverseStream, and Nova's models when they are invoked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, assert_never

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.ids import BASE62, make_id
from tokentape_fake_provider.script.model import Choice, FinishReason, Reasoning, Refusal, Script, Text, ToolCall
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.plain_items import PlainItem, plain_items
from tokentape_fake_provider.wires.wire import ProviderRequest

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "pause_turn",
    "error": "malformed_model_output",
    "other": "other",
}

# Recorded deltas of Claude carry a few tokens each.
TOKENS_PER_DELTA = (1, 2, 3, 1, 4, 2)


class Event(NamedTuple):
    """One event before it is framed."""

    name: str
    payload: dict[str, Any]
    tokens: int = 0
    at: float | None = None


def choice_of(script: Script, wire: str) -> Choice:
    """The only choice. Raises `ScriptError` if there are others."""
    if len(script.choices) != 1:
        raise ScriptError(f"{wire} answers with one choice; this script has {len(script.choices)}")
    return script.choices[0]


def stop_reason(choice: Choice) -> str:
    """The provider's word for why the choice ended."""
    if choice.provider_finish_reason is not None:
        return choice.provider_finish_reason
    if choice.stop_sequence:
        return "stop_sequence"
    refused = choice.finish_reason is None and any(isinstance(item, Refusal) for item in choice.items)
    return "content_filtered" if refused else FINISH_REASONS[choice.ended]


def content_events(choice: Choice, request: ProviderRequest) -> Iterator[Event]:
    """messageStart, and each content block; only tool calls have a contentBlockStart."""
    yield Event("messageStart", {"role": "assistant"})
    for index, item in enumerate(plain_items(choice.items)):
        at = {"contentBlockIndex": index}
        match item:
            case Text() | Refusal():
                for delta in split_item(item, TOKENS_PER_DELTA):
                    yield Event("contentBlockDelta", at | {"delta": {"text": delta.text}}, delta.tokens, delta.at)
            case Reasoning():
                yield from _reasoning_events(item, at)
            case ToolCall():
                yield from _tool_events(item, at, request)
            case _:
                assert_never(item)
        yield Event("contentBlockStop", at)


def complete_block(item: PlainItem, index: int, request: ProviderRequest) -> dict[str, Any]:
    """A content block of a response that is not streamed."""
    match item:
        case Text() | Refusal():
            return {"text": item.text}
        case Reasoning():
            if item.encrypted:
                return {"reasoningContent": {"redactedContent": _blob(item.encrypted)}}
            signed = {"signature": item.signature} if item.signature else {}
            return {"reasoningContent": {"reasoningText": {"text": item.text} | signed}}
        case ToolCall():
            try:
                msgspec.json.decode(item.arguments)
            except msgspec.DecodeError as error:
                raise ScriptError(
                    f"tool call {item.name!r}: its arguments are no JSON ({error}), which {request.wire} can send in a "
                    "stream only"
                ) from None
            arguments = msgspec.Raw(item.arguments.encode())
            return {"toolUse": {"toolUseId": _tool_id(item, index, request), "name": item.name, "input": arguments}}
    assert_never(item)


def _reasoning_events(item: Reasoning, at: dict[str, Any]) -> Iterator[Event]:
    if item.encrypted:
        payload = {"reasoningContent": {"redactedContent": _blob(item.encrypted)}}
        yield Event("contentBlockDelta", at | {"delta": payload}, 1)
        return
    for delta in split_item(item, TOKENS_PER_DELTA):
        said = at | {"delta": {"reasoningContent": {"text": delta.text}}}
        yield Event("contentBlockDelta", said, delta.tokens, delta.at)
    if item.signature:
        yield Event("contentBlockDelta", at | {"delta": {"reasoningContent": {"signature": item.signature}}})


def _tool_events(item: ToolCall, at: dict[str, Any], request: ProviderRequest) -> Iterator[Event]:
    deltas = list(split_item(item, TOKENS_PER_DELTA))
    use = {"name": item.name, "toolUseId": _tool_id(item, at["contentBlockIndex"], request)}
    first = deltas[0].at if deltas else None
    yield Event("contentBlockStart", at | {"start": {"toolUse": use}}, count_tokens(item.name), first)
    for delta in deltas:
        said = at | {"delta": {"toolUse": {"input": delta.text}}}
        yield Event("contentBlockDelta", said, delta.tokens, delta.at)


def _tool_id(call: ToolCall, index: int, request: ProviderRequest) -> str:
    return call.id or "tooluse_" + make_id(request.seed, f"call {index}", 22, BASE62)


def _blob(encrypted: str) -> str:
    """Redacted reasoning is a blob, which JSON has in base64: what is not is encoded."""
    try:
        base64.b64decode(encrypted, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(encrypted.encode()).decode()
    return encrypted
