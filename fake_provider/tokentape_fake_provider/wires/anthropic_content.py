"""How a content block of `anthropic_messages` is sent: as the events of a stream, and whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

import msgspec

from tokentape_fake_provider.script.ids import BASE58, BASE62, HEX, make_id, padding
from tokentape_fake_provider.script.model import Reasoning, Refusal, Text, ToolCall
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.wires.anthropic_blocks import (
    TOKENS_PER_DELTA,
    ContentBlock,
    ToolOutcome,
    ToolUse,
    citation_object,
)
from tokentape_fake_provider.wires.arguments import raw_arguments
from tokentape_fake_provider.wires.deltas import Delta, split_item
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest

_json = msgspec.json.encode


class MessageEvents:
    """Encodes the events of one stream, padded with up to 15 spaces as recorded ones are."""

    def __init__(self) -> None:
        self.padding = padding(61, HEX)
        self.sent = 0

    def __call__(self, name: bytes, fields: dict[str, Any]) -> bytes:
        return self.raw(name, _json(fields)[1:-1])

    def raw(self, name: bytes, fields: bytes) -> bytes:
        """An event of fields that are JSON already, without the braces."""
        spaces = b" " * int(self.padding[self.sent % 61], 16)
        self.sent += 1
        return b'event: %b\ndata: {"type":"%b"%b%b%b}\n\n' % (
            name,
            name,
            b"," if fields else b"",
            fields,
            spaces,
        )


def block_events(
    event: MessageEvents, item: ContentBlock, index: int, request: ProviderRequest
) -> Iterator[EncodedFrame]:
    """The events of the content block with this index."""
    tokens = 0
    match item:
        case Text(citations=(_, *_)):
            block: dict[str, Any] = {"citations": [], "type": "text", "text": ""}
            head = b'{"type":"text_delta","text":'
        case Text() | Refusal():
            block = {"type": "text", "text": ""}
            head = b'{"type":"text_delta","text":'
        case Reasoning(encrypted=""):
            block = {"type": "thinking", "thinking": "", "signature": ""}
            head = b'{"type":"thinking_delta","thinking":'
        case Reasoning():
            block = {"type": "redacted_thinking", "data": item.encrypted}
            head, tokens = b"", 1
        case ToolCall():
            block = {"type": "tool_use", "id": _tool_id(item, index, request), "name": item.name, "input": {}}
            head, tokens = b'{"type":"input_json_delta","partial_json":', count_tokens(item.name)
        case ToolUse():
            block, head = item.block | {"input": {}}, b'{"type":"input_json_delta","partial_json":'
        case ToolOutcome():
            block, head = item.block, b""
        case _:
            assert_never(item)
    deltas = list(_deltas(item)) if head and not isinstance(item, ToolOutcome) else []
    at = deltas[0].at if deltas else None
    yield EncodedFrame(event(b"content_block_start", {"index": index, "content_block": block}), tokens, at)
    if isinstance(item, Text):
        for citation in item.citations:
            cited = {"type": "citations_delta", "citation": citation_object(citation, request)}
            yield EncodedFrame(event(b"content_block_delta", {"index": index, "delta": cited}))
    if isinstance(item, ToolCall | ToolUse):
        yield EncodedFrame(event.raw(b"content_block_delta", b'"index":%d,"delta":%b""}' % (index, head)), 0, at)
    for delta in deltas:
        data = event.raw(b"content_block_delta", b'"index":%d,"delta":%b%b}' % (index, head, _json(delta.text)))
        yield EncodedFrame(data, delta.tokens, delta.at)
    if isinstance(item, Reasoning) and not item.encrypted:
        signature = {"type": "signature_delta", "signature": _signature(item, index, request)}
        yield EncodedFrame(event(b"content_block_delta", {"index": index, "delta": signature}))
    yield EncodedFrame(event(b"content_block_stop", {"index": index}))


def _deltas(item: Text | Refusal | Reasoning | ToolCall | ToolUse) -> Iterator[Delta]:
    if isinstance(item, ToolUse):
        return item.deltas()
    if isinstance(item, Reasoning) and item.hidden:
        return iter(())
    return split_item(item, TOKENS_PER_DELTA)


def complete_block(item: ContentBlock, index: int, request: ProviderRequest) -> dict[str, Any]:
    """The content block of a response that is not streamed. Raises `ScriptError` for arguments that are not JSON."""
    match item:
        case Text(citations=(_, *_)):
            citations = [citation_object(citation, request) for citation in item.citations]
            return {"citations": citations, "type": "text", "text": item.text}
        case Text() | Refusal():
            return {"type": "text", "text": item.text}
        case Reasoning():
            if item.encrypted:
                return {"type": "redacted_thinking", "data": item.encrypted}
            text = "" if item.hidden else item.text
            return {"type": "thinking", "thinking": text, "signature": _signature(item, index, request)}
        case ToolUse():
            return item.block
        case ToolOutcome():
            return item.block
        case ToolCall():
            arguments = raw_arguments(item, "anthropic_messages")
            return {
                "type": "tool_use",
                "id": _tool_id(item, index, request),
                "name": item.name,
                "input": arguments,
            }
    assert_never(item)


def _tool_id(call: ToolCall, index: int, request: ProviderRequest) -> str:
    return call.id or "toolu_01" + make_id(request.seed, f"call {index}", 22, BASE58)


def _signature(item: Reasoning, index: int, request: ProviderRequest) -> str:
    return item.signature or "E" + make_id(request.seed, f"signature {index}", 199, BASE62)
