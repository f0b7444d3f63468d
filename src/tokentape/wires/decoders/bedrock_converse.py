"""Amazon Bedrock's Converse, whose events Amazon Nova's models also send through InvokeModel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, TextPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata, with_metadata
from tokentape.usage import TokenUsage
from tokentape.wires.aws_event_decoder import AWSEventDecoder
from tokentape.wires.event_decoder import DecodeFailure, decode_lines, same
from tokentape.wires.finish import finish_of
from tokentape.wires.json_document import as_json, as_mapping, as_text, members_without, parse_object, parse_or_text
from tokentape.wires.openai_usage import count
from tokentape.wires.stream_error import error_of, stream_error

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
    "refusal": "refusal",
    "pause_turn": "pause",
}


class _ToolUse(msgspec.Struct, gc=False):
    input: Any = None


class _Reasoning(msgspec.Struct, gc=False):
    text: str | None = None
    signature: str | None = None
    redacted: str | None = msgspec.field(default=None, name="redactedContent")


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    tool_use: _ToolUse | None = msgspec.field(default=None, name="toolUse")
    reasoning: _Reasoning | None = msgspec.field(default=None, name="reasoningContent")
    citation: dict[str, Any] | None = None


class _BlockDelta(msgspec.Struct, gc=False):
    index: int | None = msgspec.field(default=None, name="contentBlockIndex")
    delta: _Delta | None = None


class _BlockStart(msgspec.Struct, gc=False):
    index: int | None = msgspec.field(default=None, name="contentBlockIndex")
    start: dict[str, Any] | None = None


class _BlockStop(msgspec.Struct, gc=False):
    index: int | None = msgspec.field(default=None, name="contentBlockIndex")


class _MessageStop(msgspec.Struct, gc=False):
    reason: str | None = msgspec.field(default=None, name="stopReason")


class _Metadata(msgspec.Struct, gc=False):
    usage: dict[str, Any] | None = None


class _Event(msgspec.Struct, gc=False):
    delta: _BlockDelta | None = msgspec.field(default=None, name="contentBlockDelta")
    start: _BlockStart | None = msgspec.field(default=None, name="contentBlockStart")
    stop: _BlockStop | None = msgspec.field(default=None, name="contentBlockStop")
    message_stop: _MessageStop | None = msgspec.field(default=None, name="messageStop")
    metadata: _Metadata | None = None


class _TextDelta(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A delta that contains only text; its type rejects anything else."""

    text: str


class _TextBlock(msgspec.Struct, gc=False):
    delta: _TextDelta
    index: int = msgspec.field(name="contentBlockIndex")


class _TextEvent(msgspec.Struct, gc=False):
    block: _TextBlock = msgspec.field(name="contentBlockDelta")


class _Block:
    """A content block that is being received, other than plain text or reasoning."""

    def __init__(self, kind: str, start: dict[str, Any]) -> None:
        self.kind = kind
        self.start = start
        self.fragments: list[str] = []
        self.content: list[Any] = []
        self.more: dict[str, Any] = {}

    @property
    def is_tool_call(self) -> bool:
        """Whether it is a call for the application to run, not for the provider."""
        return self.kind == "toolUse" and self.start.get("type") != "server_tool_use"

    @property
    def whole(self) -> dict[str, Any]:
        """The block including its deltas, as in a response that is not streamed."""
        whole = {**self.start, **self.more}
        if self.content:
            whole["content"] = self.content
        if text := "".join(self.fragments):
            whole["input"] = parse_or_text(text)
        return whole


_decode_typed = msgspec.json.Decoder(_Event).decode
_decode_text_events = msgspec.json.Decoder(_TextEvent).decode_lines


class BedrockConverseDecoder(AWSEventDecoder):
    """Decodes the events of ConverseStream; it has ended at `metadata`, which comes after `messageStop`."""

    terminal = "messageStop"
    request_paths = ("/converse-stream",)
    sdk_event_keys = ("messageStart",)

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, _Block] = {}
        self._text = True

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        events = decode_lines(_decode_text_events, documents)
        if events is None or not same([event.block.index for event in events]):
            return None
        block = events[0].block.index
        return [
            ChatMessage(event.block.delta.text, "assistant", metadata, block=block)
            for event, metadata in with_metadata(events, documents, _read_metadata)
        ]

    def _decode_event(self, document: bytes) -> Sequence[ChatMessage]:
        try:
            event = _decode_typed(document)
        except DecodeFailure:
            event = self._salvage(document, _Event)
        block = event.delta
        if block is not None and block.delta is not None:
            text = block.delta.text
            # Text usually arrives in runs, and so do other deltas.
            self._text = text is not None
            if text is not None:
                metadata = lazy_metadata(document, _read_metadata)
                return (ChatMessage(text, "assistant", metadata, block=block.index),)
            return self._block_delta(block.index or 0, block.delta, document)
        return self._protocol_event(event, document)

    def _protocol_event(self, event: _Event, document: bytes) -> Sequence[ChatMessage]:
        metadata = lazy_metadata(document, _read_metadata)
        if event.start is not None:
            return self._block_start(event.start.index or 0, event.start.start or {}, metadata)
        if event.stop is not None:
            return self._block_stop(event.stop.index or 0, metadata)
        if event.message_stop is not None:
            self._complete = True
            reason, raw = finish_of(event.message_stop.reason, FINISH_REASONS)
            return (ChatMessage("", "assistant", metadata, finish_reason=reason, provider_finish_reason=raw),)
        if event.metadata is not None:
            self.ended = self._complete
            usage = event.metadata.usage
            return (ChatMessage("", "assistant", metadata, usage=converse_usage(usage) if usage else None),)
        if error := error_of(self._parse(document)):
            self._error = stream_error(error)
            self.ended = True
        return ()

    def _block_start(self, index: int, start: dict[str, Any], metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        kind = next((key for key, value in start.items() if isinstance(value, dict)), None)
        if kind is None:
            return ()
        block = self._blocks[index] = _Block(kind, start[kind])
        if not block.is_tool_call:
            return ()
        call = ToolCallDelta(index, as_text(block.start.get("toolUseId")), as_text(block.start.get("name")))
        return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=index),)

    def _block_delta(self, index: int, delta: _Delta, document: bytes) -> Sequence[ChatMessage]:
        metadata = lazy_metadata(document, _read_metadata)
        if delta.reasoning is not None:
            reasoning = delta.reasoning
            parts: tuple[Part, ...] = ()
            if reasoning.signature or reasoning.redacted:
                parts = (ReasoningPart("", reasoning.signature or "", reasoning.redacted or ""),)
            return (ChatMessage("", "assistant", metadata, reasoning.text or "", block=index, parts=parts),)
        if delta.citation is not None:
            return (ChatMessage("", "assistant", metadata, block=index, parts=(TextPart("", (delta.citation,)),)),)
        block = self._blocks.get(index)
        if delta.tool_use is not None:
            fragment = as_json(delta.tool_use.input)
            if block is not None and not block.is_tool_call:
                block.fragments.append(fragment)
                return ()
            call = ToolCallDelta(index, arguments=fragment)
            return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=index),)
        if block is not None:
            self._add_to_block(block, document)
        return ()

    def _add_to_block(self, block: _Block, document: bytes) -> None:
        """Add a delta to a provider-specific block: tool results are lists, images are objects."""
        delta = as_mapping(as_mapping(self._parse(document).get("contentBlockDelta")).get("delta"))
        added = delta.get(block.kind)
        if isinstance(added, list):
            block.content += added
        elif isinstance(added, dict):
            block.more |= added

    def _block_stop(self, index: int, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        block = self._blocks.pop(index, None)
        if block is None:
            return ()
        if block.is_tool_call:
            call = ToolCallDelta(index, done=True)
            return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=index),)
        return (ChatMessage("", "assistant", metadata, block=index, parts=(ProviderPart(block.kind, block.whole),)),)

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        output = body.get("output")
        if output is None and (error := error_of(body, bare=True)):
            self._error = stream_error(error)
            return ()
        content = as_mapping(as_mapping(output).get("message")).get("content")
        messages: list[ChatMessage] = []
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if isinstance(block, dict):
                messages += _whole_block(index, block)
        self.ended = True
        (reason, raw), usage = finish_of(body.get("stopReason"), FINISH_REASONS), body.get("usage")
        metadata = {key: value for key, value in body.items() if key not in ("output", "stopReason", "usage")}
        messages.append(
            ChatMessage(
                "",
                "assistant",
                metadata,
                usage=converse_usage(usage) if isinstance(usage, dict) and usage else None,
                finish_reason=reason,
                provider_finish_reason=raw,
            )
        )
        return messages


def _whole_block(index: int, block: dict[str, Any]) -> Sequence[ChatMessage]:
    """Return the chunks of one block of a response that is not streamed."""
    kind = next(iter(block), "")
    match kind, block.get(kind):
        case "text", str(text):
            return (ChatMessage(text, block=index),)
        case "reasoningContent", dict(reasoning):
            signed = as_mapping(reasoning.get("reasoningText"))
            part = ReasoningPart("", as_text(signed.get("signature")), as_text(reasoning.get("redactedContent")))
            return (ChatMessage("", reasoning=as_text(signed.get("text")), block=index, parts=(part,)),)
        case "citationsContent", dict(cited):
            content, citations = cited.get("content"), cited.get("citations")
            pieces = content if isinstance(content, list) else ()
            text = "".join(as_text(piece.get("text")) for piece in pieces if isinstance(piece, dict))
            sources = tuple(citations) if isinstance(citations, list) else ()
            return (ChatMessage(text, block=index, parts=(TextPart("", sources),)),)
        case "toolUse", dict(use) if use.get("type") != "server_tool_use":
            id_, arguments = as_text(use.get("toolUseId")), as_json(use.get("input"))
            call = ToolCallDelta(index, id_, as_text(use.get("name")), arguments, done=True)
            return (ChatMessage("", tool_call_deltas=(call,), block=index),)
        case _, dict(data):
            return (ChatMessage("", block=index, parts=(ProviderPart(kind, data),)),)
        case _:
            return ()


def converse_usage(raw: Mapping[str, Any]) -> TokenUsage:
    """Read a `usage` object: `inputTokens` excludes cached tokens, so they are added to the input.

    With InvokeModel, Nova's models name them `...TokenCount`. Reasoning tokens are not reported separately.
    """
    uncached = count(raw, "inputTokens")
    cached = count(raw, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = count(raw, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    return TokenUsage(
        None if uncached is None else uncached + (cached or 0) + (written or 0),
        count(raw, "outputTokens"),
        count(raw, "totalTokens"),
        cached,
        written,
        None,
        dict(raw),
    ).with_total()


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    event = parse_object(document)
    metadata = {key: value for key, value in event.items() if not isinstance(value, dict) or key.startswith("amazon-")}
    inner = next((value for value in event.values() if isinstance(value, dict)), None)
    return metadata | members_without(inner, _EVENT_FIELDS)


_EVENT_FIELDS = {"contentBlockIndex", "delta", "start", "stopReason", "usage", "role", "p"}


DECODER = BedrockConverseDecoder
