"""A script as the events of Converse: Bedrock's ConverseStream, and Nova's models when they are invoked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, assert_never
from urllib.parse import urlsplit

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.ids import BASE62, make_id
from tokentape_fake_provider.script.model import (
    Choice,
    Citation,
    FinishReason,
    Item,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.wires.arguments import raw_arguments
from tokentape_fake_provider.wires.citations import cited_runs
from tokentape_fake_provider.wires.deltas import input_deltas, split_item
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


_TOOLS: Mapping[str, tuple[str, str]] = {
    "code_interpreter": ("nova_code_interpreter", "snippet"),
    "web_search": ("nova_grounding", "query"),
}
"""The server tools of Nova's models: their name, and the field that is their input."""


class Event(NamedTuple):
    """One event before it is framed."""

    name: str
    payload: dict[str, Any]
    tokens: int = 0
    at: float | None = None


class _ToolUse(NamedTuple):
    """The block of a server tool's call."""

    start: dict[str, Any]
    tool: ServerTool
    field: str


class _ToolResult(NamedTuple):
    """The block of a server tool's result."""

    start: dict[str, Any]
    content: dict[str, Any]


_Block: TypeAlias = PlainItem | _ToolUse | _ToolResult


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
    for index, item in enumerate(_blocks(choice.items, request)):
        at = {"contentBlockIndex": index}
        match item:
            case _ToolUse():
                yield Event("contentBlockStart", at | {"start": {"toolUse": item.start}}, count_tokens(item.tool.name))
                for delta in input_deltas(item.tool, item.field, TOKENS_PER_DELTA):
                    fields = at | {"delta": {"toolUse": {"input": delta.text}}}
                    yield Event("contentBlockDelta", fields, delta.tokens, delta.at)
            case _ToolResult():
                yield Event("contentBlockStart", at | {"start": {"toolResult": item.start}})
                yield Event("contentBlockDelta", at | {"delta": {"toolResult": [item.content]}})
            case Text() | Refusal():
                for citation in item.citations if isinstance(item, Text) else ():
                    yield Event("contentBlockDelta", at | {"delta": {"citation": _citation(citation)}})
                for delta in split_item(item, TOKENS_PER_DELTA):
                    yield Event("contentBlockDelta", at | {"delta": {"text": delta.text}}, delta.tokens, delta.at)
            case Reasoning():
                yield from _reasoning_events(item, at, _signature(item, index, request))
            case ToolCall():
                yield from _tool_events(item, at, request)
            case _:
                assert_never(item)
        yield Event("contentBlockStop", at)


def complete_content(choice: Choice, request: ProviderRequest) -> list[dict[str, Any]]:
    """The content blocks of a response that is not streamed."""
    return [_complete_block(item, index, request) for index, item in enumerate(_blocks(choice.items, request))]


def _complete_block(item: _Block, index: int, request: ProviderRequest) -> dict[str, Any]:
    match item:
        case _ToolUse():
            return {"toolUse": item.start | {"input": {item.field: item.tool.input}}}
        case _ToolResult():
            return {"toolResult": item.start | {"content": [item.content]}}
        case Text(citations=(_, *_)):
            citations = [_citation(citation) for citation in item.citations]
            return {"citationsContent": {"content": [{"text": item.text}], "citations": citations}}
        case Text() | Refusal():
            return {"text": item.text}
        case Reasoning():
            if item.encrypted:
                return {"reasoningContent": {"redactedContent": _blob(item.encrypted)}}
            signature = _signature(item, index, request)
            signed = {"signature": signature} if signature else {}
            return {"reasoningContent": {"reasoningText": {"text": "" if item.hidden else item.text} | signed}}
        case ToolCall():
            arguments = raw_arguments(item, request.wire)
            return {"toolUse": {"toolUseId": _tool_id(item, index, request), "name": item.name, "input": arguments}}
    assert_never(item)


def _reasoning_events(item: Reasoning, at: dict[str, Any], signature: str) -> Iterator[Event]:
    if item.encrypted:
        payload = {"reasoningContent": {"redactedContent": _blob(item.encrypted)}}
        yield Event("contentBlockDelta", at | {"delta": payload}, 1)
        return
    for delta in split_item(item, TOKENS_PER_DELTA) if not item.hidden else ():
        fields = at | {"delta": {"reasoningContent": {"text": delta.text}}}
        yield Event("contentBlockDelta", fields, delta.tokens, delta.at)
    if signature:
        yield Event("contentBlockDelta", at | {"delta": {"reasoningContent": {"signature": signature}}})


def _signature(item: Reasoning, index: int, request: ProviderRequest) -> str:
    """The script's, else a made-up one: hidden reasoning is sent as nothing else, and Claude signs all of its own."""
    if item.signature or not (item.hidden or (item.signed and "claude" in request.model)):
        return item.signature
    return "E" + make_id(request.seed, f"signature {index}", 199, BASE62)


def _tool_events(item: ToolCall, at: dict[str, Any], request: ProviderRequest) -> Iterator[Event]:
    deltas = list(split_item(item, TOKENS_PER_DELTA))
    use = {"name": item.name, "toolUseId": _tool_id(item, at["contentBlockIndex"], request)}
    first = deltas[0].at if deltas else None
    yield Event("contentBlockStart", at | {"start": {"toolUse": use}}, count_tokens(item.name), first)
    for delta in deltas:
        fields = at | {"delta": {"toolUse": {"input": delta.text}}}
        yield Event("contentBlockDelta", fields, delta.tokens, delta.at)


def _blocks(items: Sequence[Item], request: ProviderRequest) -> Iterator[_Block]:
    """The content blocks: a text is one for each run that has the same citations, a server tool its call and result."""
    for number, item in enumerate(items):
        match item:
            case Text():
                yield from cited_runs(item, TOKENS_PER_DELTA)
            case Reasoning():
                yield item
            case ServerTool() if item.kind in _TOOLS:
                name, field = _TOOLS[item.kind]
                tool_id = item.id or "tooluse_" + make_id(request.seed, f"tool {number}", 22, BASE62)
                yield _ToolUse({"name": name, "toolUseId": tool_id, "type": "server_tool_use"}, item, field)
                status = "error" if item.error else "success"
                yield _ToolResult(
                    {"status": status, "toolUseId": tool_id, "type": f"{name}_result"}, {"json": _result(item)}
                )
            case _:
                yield from plain_items((item,))


def _result(tool: ServerTool) -> dict[str, Any]:
    if tool.kind == "code_interpreter":
        failed = bool(tool.error)
        return {"stdOut": tool.output, "stdErr": tool.error, "exitCode": int(failed), "isError": failed}
    return {"results": [{"url": source.url, "title": source.title, "text": source.text} for source in tool.sources]}


def _citation(citation: Citation) -> dict[str, Any]:
    """A citation of a whole block, as a delta has it."""
    if citation.url:
        web = {"domain": urlsplit(citation.url).hostname or "", "url": citation.url}
        return {"location": {"web": web}, "sourceContent": _quote(citation), "title": citation.title}
    end = citation.quote_start + len(citation.quote)
    place = {"documentIndex": citation.document or 0, "end": end, "start": citation.quote_start}
    return {"location": {"documentChar": place}, "sourceContent": _quote(citation), "title": citation.title}


def _quote(citation: Citation) -> list[dict[str, Any]]:
    return [{"text": citation.quote}]


def _tool_id(call: ToolCall, index: int, request: ProviderRequest) -> str:
    return call.id or "tooluse_" + make_id(request.seed, f"call {index}", 22, BASE62)


def _blob(encrypted: str) -> str:
    """Redacted reasoning is a blob, which JSON has in base64: what is not is encoded."""
    try:
        base64.b64decode(encrypted, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(encrypted.encode()).decode()
    return encrypted
