"""Anthropic messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, TextPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata, with_metadata
from tokentape.usage import TokenUsage
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines
from tokentape.wires.finish import finish_of
from tokentape.wires.json_document import as_json, as_text, members_without, parse_object, parse_or_text
from tokentape.wires.openai_usage import count
from tokentape.wires.stream_error import error_of, stream_error

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}


class _Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    partial_json: Any = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    index: int | None = None
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Block:
    """A content block that is being received, other than plain text or thinking."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.kind = as_text(start.get("type"))
        self.fragments: list[str] = []
        self.deltas: list[dict[str, Any]] = []

    @property
    def whole(self) -> dict[str, Any]:
        """The block including its deltas, as in a response that is not streamed."""
        whole = dict(self.start)
        for delta in self.deltas:
            for key, value in delta.items():
                if key != "type":
                    both_text = isinstance(value, str) and isinstance(whole.get(key), str)
                    whole[key] = whole[key] + value if both_text else value
        if text := "".join(self.fragments):
            whole["input"] = parse_or_text(text)
        return whole


class _TextDelta(msgspec.Struct, gc=False, tag_field="type", tag="text_delta"):
    text: str


@lru_cache(maxsize=64)
def _text_event(block: int) -> msgspec.json.Decoder[Any]:
    """Return a decoder for text deltas of this block; its type rejects anything else."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("delta", _TextDelta),
        ("index", Literal[block]),
        ("error", None, None),
    ]
    event = msgspec.defstruct("_TextEvent", fields, gc=False, tag_field="type", tag="content_block_delta")
    return msgspec.json.Decoder(event)


_NO_DELTA = _Delta()
_MAX_BLOCK = 1 << 62
"""The limit of block numbers in a `Literal` type; no provider counts that far."""
_decode_event = msgspec.json.Decoder(_Event).decode


class AnthropicMessagesDecoder(EventDecoder):
    """Decodes the events of a streamed message; it has ended at `message_stop`."""

    terminal = "message_stop"
    # The last two are those of Anthropic on Vertex.
    request_paths = ("/v1/messages", ":streamRawPredict", ":rawPredict")
    sdk_modules = ("anthropic",)

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._block = 0
        self._stopped = False

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        block = self._block
        events = decode_lines(_text_event(block).decode_lines, documents)
        if events is None:
            return None
        return [
            ChatMessage(event.delta.text, "assistant", metadata, block=block)
            for event, metadata in with_metadata(events, documents, _read_metadata)
        ]

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        block = self._block
        try:
            text = _text_event(block).decode(document).delta.text
        except DecodeFailure:
            return None
        return ChatMessage(text, "assistant", lazy_metadata(document, _read_metadata), block=block)

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        event = self._typed(_decode_event, document, _Event)
        if event is None:
            return ()
        if event.type == "content_block_delta" and event.delta is not None:
            self._block = event.index or 0
            self._text = event.delta.type == "text_delta" and -_MAX_BLOCK < self._block < _MAX_BLOCK
            chunks = self._block_delta(event, event.delta, document)
        else:
            chunks = self._protocol_event(event, document)
        if event.error and self._error is None:
            self._fail(event.error)
        return chunks

    def _done(self) -> None:
        """End a message that has a stop reason: gateways send the end marker after message_stop, or instead of it."""
        self.ended = self.ended or self._stopped

    def _protocol_event(self, event: _Event, document: bytes) -> Sequence[ChatMessage]:
        match event.type:
            case "content_block_start":
                return self._block_start(event.index or 0, event.content_block or {}, document)
            case "content_block_stop":
                return self._block_stop(event.index or 0, document)
            case "message_start":
                message = event.message or {}
                return (self._chunk(document, usage=message.get("usage"), model=as_text(message.get("model"))),)
            case "message_delta":
                delta = event.delta or _NO_DELTA
                return (self._chunk(document, usage=event.usage, reason=delta.stop_reason),)
            case "message_stop":
                self.ended = True
                return ()
            case "message":
                return self._decode_whole(self._parse(document))
            case "ping":
                return ()
            case _:
                if not event.error and event.type in (None, "error") and (error := error_of(self._parse(document))):
                    self._fail(error)
                return ()

    def _chunk(self, document: bytes, *, usage: Any = None, model: str = "", reason: str | None = None) -> ChatMessage:
        """Build a chunk with usage, model or stop reason."""
        reported: TokenUsage | None = None
        if isinstance(usage, dict):
            # Usage is cumulative: a field that is missing or null in a later event keeps its value.
            self._usage |= {key: value for key, value in usage.items() if value is not None or key not in self._usage}
            reported = anthropic_usage(self._usage)
        finish = finish_of(reason, FINISH_REASONS)
        self._stopped = self._stopped or finish.raw is not None
        return ChatMessage(
            "",
            "assistant",
            lazy_metadata(document, _read_metadata),
            usage=reported,
            finish_reason=finish.reason,
            provider_finish_reason=finish.raw,
            model=model or None,
        )

    def _block_start(self, index: int, start: dict[str, Any], document: bytes) -> Sequence[ChatMessage]:
        metadata = lazy_metadata(document, _read_metadata)
        match start.get("type"):
            case "text":
                citations = start.get("citations")
                parts = (TextPart("", tuple(citations)),) if isinstance(citations, list) and citations else ()
                return _if_any(ChatMessage(as_text(start.get("text")), "assistant", metadata, block=index, parts=parts))
            case "thinking":
                signature = as_text(start.get("signature"))
                parts_ = (ReasoningPart("", signature),) if signature else ()
                text = as_text(start.get("thinking"))
                return _if_any(ChatMessage("", "assistant", metadata, text, block=index, parts=parts_))
            case "redacted_thinking":
                part = ReasoningPart("", "", as_text(start.get("data")))
                return (ChatMessage("", "assistant", metadata, block=index, parts=(part,)),)
            case "tool_use":
                self._blocks[index] = _Block(start)
                call = ToolCallDelta(index, as_text(start.get("id")), as_text(start.get("name")))
                return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=index),)
            case _:
                self._blocks[index] = _Block(start)
                return ()

    def _block_delta(self, event: _Event, delta: _Delta, document: bytes) -> Sequence[ChatMessage]:
        index = event.index or 0
        metadata = lazy_metadata(document, _read_metadata)
        block = self._blocks.get(index)
        match delta.type:
            case "text_delta":
                return (ChatMessage(delta.text or "", "assistant", metadata, block=index),)
            case "thinking_delta":
                return (ChatMessage("", "assistant", metadata, delta.thinking or "", block=index),)
            case "signature_delta":
                part: Part = ReasoningPart("", delta.signature or "")
                return (ChatMessage("", "assistant", metadata, block=index, parts=(part,)),)
            case "citations_delta":
                part = TextPart("", (delta.citation,))
                return (ChatMessage("", "assistant", metadata, block=index, parts=(part,)),)
            case "input_json_delta":
                fragment = as_json(delta.partial_json)
                if block is not None:
                    if block.fragments in (["{}"], ["null"]):
                        block.fragments.clear()  # a placeholder
                    block.fragments.append(fragment)
                if block is not None and block.kind != "tool_use":
                    return ()
                call = ToolCallDelta(index, arguments=fragment)
                return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=index),)
            case _:
                if block is not None:
                    raw = self._parse(document).get("delta")
                    block.deltas.append(raw if isinstance(raw, dict) else {})
                return ()

    def _block_stop(self, index: int, document: bytes) -> Sequence[ChatMessage]:
        block = self._blocks.pop(index, None)
        if block is None:
            return ()
        metadata = lazy_metadata(document, _read_metadata)
        if block.kind != "tool_use":
            part = ProviderPart(block.kind, block.whole)
            return (ChatMessage("", "assistant", metadata, block=index, parts=(part,)),)
        # The start of the block may contain the whole input.
        arguments = "" if any(block.fragments) else as_json(block.start.get("input"))
        call = ToolCallDelta(index, arguments=arguments, done=True)
        return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=index),)

    def _fail(self, error: Any) -> None:
        self._error = stream_error(error)
        self.ended = True

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        if error := body.get("error") if "content" in body else error_of(body):
            self._fail(error)
            return ()
        messages: list[ChatMessage] = []
        content = body.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if isinstance(block, dict):
                messages += self._block_start(index, block, b"{}")
                messages += self._block_stop(index, b"{}")
        self.ended = True
        header = msgspec.json.encode({"message": body})
        reason = as_text(body.get("stop_reason"))
        messages.append(self._chunk(header, usage=body.get("usage"), model=as_text(body.get("model")), reason=reason))
        return messages


def anthropic_usage(raw: Mapping[str, Any]) -> TokenUsage:
    """Read a `usage` object: `input_tokens` excludes cached tokens, so they are added to the input.

    With compaction the top level counts only the last sampling, so all `iterations` of the model are added up. The
    iterations of an advisor, which is another model, are never part of the top level and are left out.
    """
    iterations = raw.get("iterations")
    samplings = [each for each in iterations if isinstance(each, Mapping)] if isinstance(iterations, list) else []
    if not any(each.get("type") == "compaction" for each in samplings):
        samplings = [raw]
    samplings = [each for each in samplings if each.get("type") != "advisor_message"]
    uncached = _sum(samplings, "input_tokens")
    cached, written = _sum(samplings, "cache_read_input_tokens"), _sum(samplings, "cache_creation_input_tokens")
    details = raw.get("output_tokens_details")
    return TokenUsage(
        None if uncached is None else uncached + (cached or 0) + (written or 0),
        _sum(samplings, "output_tokens"),
        None,
        cached,
        written,
        count(details, "thinking_tokens", "reasoning_tokens") if isinstance(details, Mapping) else None,
        dict(raw),
    ).with_total()


def _sum(samplings: Sequence[Mapping[str, Any]], key: str) -> int | None:
    counts = [counted for each in samplings if (counted := count(each, key)) is not None]
    return sum(counts) if counts else None


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    event = parse_object(document)
    metadata = members_without(event, _EVENT_FIELDS) | members_without(event.get("message"), _MESSAGE_FIELDS)
    if event.get("type") == "message_delta":
        delta = members_without(event.get("delta"), ("stop_reason",))
        metadata |= {key: value for key, value in delta.items() if value is not None}
    return metadata


_EVENT_FIELDS = {"index", "delta", "content_block", "message", "usage"}
_MESSAGE_FIELDS = {"content", "usage", "stop_reason", "role", "type"}


def _if_any(message: ChatMessage) -> Sequence[ChatMessage]:
    return (message,) if message.text or message.reasoning or message.parts else ()


DECODER = AnthropicMessagesDecoder
