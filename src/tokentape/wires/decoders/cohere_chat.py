"""Cohere's chat, version 2: POST /v2/chat. The reference is docs.cohere.com/v2/docs/streaming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape.message import ChatMessage, TextPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata, with_metadata
from tokentape.wires.cohere_decoder import CohereDecoder, last_chunk
from tokentape.wires.event_decoder import DecodeFailure, decode_lines, same
from tokentape.wires.json_document import (
    as_json,
    as_mapping,
    as_text,
    members_without,
    parse_document,
    parse_object,
    salvage,
)
from tokentape.wires.openai_usage import count
from tokentape.wires.stream_error import error_of


class _Content(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _ToolCall(msgspec.Struct, gc=False):
    id: str | int | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: _Content | list[_Content] | str | None = None
    tool_plan: str | None = None
    tool_calls: _ToolCall | list[_ToolCall] | None = None
    citations: dict[str, Any] | list[Any] | None = None


class _Delta(msgspec.Struct, gc=False):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    index: int | None = None
    delta: _Delta | None = None
    logprobs: Any = None
    error: Any = None


class _Response(msgspec.Struct, gc=False):
    """A response that is not streamed."""

    message: _WholeMessage | str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _WholeMessage(msgspec.Struct, gc=False):
    content: list[_Content] | str | None = None
    tool_plan: str | None = None
    tool_calls: list[_ToolCall] | None = None
    citations: list[dict[str, Any]] | None = None


class _Text(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Content that contains only text; its type rejects anything else."""

    text: str


class _TextMessage(msgspec.Struct, gc=False):
    content: _Text


class _TextDelta(msgspec.Struct, gc=False):
    message: _TextMessage


class _TextEvent(msgspec.Struct, gc=False, tag_field="type", tag="content-delta"):
    delta: _TextDelta
    index: int | None = None
    logprobs: None = None
    error: None = None


_NO_DELTA = _Delta()
_NO_MESSAGE = _Message()
_NO_FUNCTION = _Function()
_text_event = msgspec.json.Decoder(_TextEvent)
_decode_text_event, _decode_text_events = _text_event.decode, _text_event.decode_lines
_decode_event = msgspec.json.Decoder(_Event).decode


class CohereChatDecoder(CohereDecoder):
    """Decodes the events of a streamed message, which ends with `[DONE]`, or with `message-end` and the input.

    The deltas of a tool plan are in the chunks' metadata as `tool_plan`. The plan is not reasoning, which the model
    sends as separate content.
    """

    terminal = "message-end"
    request_paths = ("/v2/chat",)
    sdk_modules = ("cohere.v2",)

    def __init__(self) -> None:
        super().__init__()
        self._block = 0

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        events = decode_lines(_decode_text_events, documents)
        if events is None or not same([event.index for event in events]):
            return None
        block = events[0].index
        return [
            ChatMessage(event.delta.message.content.text, "assistant", metadata, block=block)
            for event, metadata in with_metadata(events, documents, _read_metadata)
        ]

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        try:
            event = _decode_text_event(document)
        except DecodeFailure:
            return None
        text = event.delta.message.content.text
        return ChatMessage(text, "assistant", lazy_metadata(document, _read_metadata), block=event.index)

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        event = self._typed(_decode_event, document, _Event)
        if event is None:
            return self._end_plan()
        if event.type == "tool-plan-delta":
            chunks: Sequence[ChatMessage] = (self._plan_delta(event, document),)
        else:
            chunks = (*self._end_plan(), *self._event(event, document))
        if event.error and self._error is None:
            self._fail(event.error, document)
        return chunks

    def _event(self, event: _Event, document: bytes) -> Sequence[ChatMessage]:
        delta = event.delta or _NO_DELTA
        message = delta.message or _NO_MESSAGE
        metadata = lazy_metadata(document, _read_metadata)
        if event.logprobs is not None:
            metadata = dict(metadata)  # log probabilities are joined over all chunks, so they are read now
        self._text = False
        match event.type:
            case "content-delta" | "content-start":
                self._block = event.index or 0
                content = message.content
                if isinstance(content, str):
                    content = _Content("text", content)
                pieces = content if isinstance(content, list) else [content or _Content()]
                text = "".join(piece.text or "" for piece in pieces)
                thinking = "".join(piece.thinking or "" for piece in pieces)
                self._text = bool(text) or any(piece.type == "text" for piece in pieces)
                return (ChatMessage(text, "assistant", metadata, thinking, block=event.index),)
            case "tool-call-start" | "tool-call-delta" | "tool-call-end":
                calls = (message.tool_calls if isinstance(message.tool_calls, list) else [message.tool_calls]) or [None]
                fragments = tuple(
                    _tool_call(call or _ToolCall(), event.index, done=event.type == "tool-call-end") for call in calls
                )
                return (ChatMessage("", "assistant", metadata, tool_call_deltas=fragments),)
            case "citation-start":
                citations = message.citations if isinstance(message.citations, list) else [message.citations]
                return tuple(self._citation(citation, metadata) for citation in citations if isinstance(citation, dict))
            case "message-start":
                return (ChatMessage("", "assistant", metadata),)
            case "message-end":
                return self._message_end(delta, document, metadata)
            case _:
                untyped = not event.error and event.type in (None, "error")
                if untyped and (error := error_of(self._parse(document), bare=True)):
                    self._fail(error, document)
                return ()

    def _plan_delta(self, event: _Event, document: bytes) -> ChatMessage:
        message = (event.delta or _NO_DELTA).message or _NO_MESSAGE
        self._plan.append(message.tool_plan or "")
        return ChatMessage("", "assistant", lazy_metadata(document, _read_metadata))

    def _citation(self, citation: dict[str, Any], metadata: Mapping[str, Any]) -> ChatMessage:
        """Return a citation's chunk. Newer versions name its content block; else it is the last one."""
        block = count(citation, "content_index")
        part = TextPart("", (citation,))
        return ChatMessage("", "assistant", metadata, block=self._block if block is None else block, parts=(part,))

    def _message_end(self, delta: _Delta, document: bytes, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        self._complete = True
        if delta.error:
            self._fail(delta.error, document)
        return (last_chunk(delta.finish_reason, delta.usage, metadata),)

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        response = salvage(body, _Response, self._unread)
        document = msgspec.json.encode(body)
        message = response.message
        if not isinstance(message, _WholeMessage):
            self._fail(message or response.error, document)
            return ()
        self._plan.append(message.tool_plan or "")
        messages = [*self._end_plan()]
        content = [_Content("text", message.content)] if isinstance(message.content, str) else message.content
        for index, block in enumerate(content or ()):
            self._block = index
            messages.append(ChatMessage(block.text or "", reasoning=block.thinking or "", block=index))
        messages += [
            ChatMessage(tool_call_deltas=(_tool_call(call, index, done=True),))
            for index, call in enumerate(message.tool_calls or ())
        ]
        messages += [self._citation(citation, {}) for citation in message.citations or ()]
        delta = _Delta(None, response.finish_reason, response.usage, response.error)
        messages += self._message_end(delta, document, lazy_metadata(document, _read_whole_metadata))
        return messages


def _tool_call(call: _ToolCall, index: int | None, *, done: bool) -> ToolCallDelta:
    function = call.function or _NO_FUNCTION
    return ToolCallDelta(index, as_text(call.id), function.name or "", as_json(function.arguments), done)


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    event = parse_object(document)
    delta = as_mapping(event.get("delta"))
    metadata = (
        members_without(event, ("delta", "index"))
        | members_without(delta, _DELTA_FIELDS)
        | members_without(delta.get("message"), _MESSAGE_FIELDS)
    )
    if event.get("type") == "message-start":
        metadata.pop("tool_plan", None)
    return metadata


def _read_whole_metadata(document: bytes, _position: int) -> dict[str, Any]:
    return members_without(parse_document(document), ("message", "finish_reason", "usage"))


_DELTA_FIELDS = {"message", "finish_reason", "usage"}
_MESSAGE_FIELDS = {"role", "content", "tool_calls", "citations"}


DECODER = CohereChatDecoder
