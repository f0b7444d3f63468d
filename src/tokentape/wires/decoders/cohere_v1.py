"""Cohere's chat, version 1: POST /v1/chat, which streams one line of JSON per event.

The reference is docs.cohere.com/v1/docs/streaming.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tokentape.framing.ndjson import NDJSONFraming
from tokentape.message import ChatMessage, ProviderPart, TextPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata
from tokentape.wires.cohere_decoder import CohereDecoder, last_chunk
from tokentape.wires.event_decoder import DecodeFailure, decode_lines, text_chunks
from tokentape.wires.json_document import as_json, members_without, parse_object, salvage
from tokentape.wires.received_text import ReceivedText
from tokentape.wires.stream_error import error_of, stream_error


class _CallDelta(msgspec.Struct, gc=False):
    name: str | None = None
    index: int | None = None
    parameters: Any = None
    text: str | None = None


class _Call(msgspec.Struct, gc=False):
    name: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()


class _Response(msgspec.Struct, gc=False):
    """A response that is not streamed, or the summary in the last event."""

    text: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[Any] | None = None
    finish_reason: str | None = None
    meta: dict[str, Any] | None = None
    message: str | None = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    event_type: str | None = None
    text: str | None = None
    tool_call_delta: _CallDelta | None = None
    tool_calls: list[_Call] | None = None
    citations: list[Any] | None = None
    finish_reason: str | None = None
    response: _Response | None = None
    message: str | None = None
    error: Any = None


class _TextEvent(msgspec.Struct, gc=False):
    """A piece of text; its type rejects anything else."""

    event_type: Literal["text-generation"]
    text: str
    error: None = None


_NO_RESPONSE = _Response()
_NO_CALL = _CallDelta()
_decode_text_events = msgspec.json.Decoder(_TextEvent).decode_lines
_decode_event = msgspec.json.Decoder(_Event).decode


class CohereV1Decoder(CohereDecoder):
    """Decodes the events of a streamed response, which ends with `stream-end`.

    Tool calls have no ids, and are sent in chunks, whole, or both. Search queries and results are provider parts.
    """

    framing = NDJSONFraming
    terminal = "stream-end"
    request_paths = ("/v1/chat",)
    sdk_modules = ("cohere",)

    def __init__(self) -> None:
        super().__init__()
        self._started: set[int] = set()
        self._called = False
        self._received = ReceivedText()

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        events = decode_lines(_decode_text_events, documents)
        if events is None:
            return None
        run = text_chunks([event.text for event in events], documents, _read_metadata)
        self._received.add_run(run)
        return run

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        try:
            event = _decode_event(document)
        except DecodeFailure:
            event = self._salvage(document, _Event)
        self._text = event.event_type == "text-generation"
        metadata = lazy_metadata(document, _read_metadata)
        if event.event_type == "tool-calls-chunk":
            chunks: Sequence[ChatMessage] = (self._call_delta(event, metadata),)
        else:
            chunks = (*self._end_plan(), *self._event(event, document, metadata))
        if event.error and self._error is None:
            self._fail(event.error, document)
        return chunks

    def _event(self, event: _Event, document: bytes, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        match event.event_type:
            case "text-generation":
                self._received.add(event.text or "")
                return (ChatMessage(event.text or "", "assistant", metadata),)
            case "tool-calls-generation":
                return (
                    ChatMessage("", "assistant", metadata, tool_call_deltas=self._whole_calls(event.tool_calls or [])),
                )
            case "citation-generation":
                return (ChatMessage("", "assistant", metadata, parts=(TextPart("", tuple(event.citations or ())),)),)
            case "search-queries-generation" | "search-results":
                data = {key: value for key, value in self._parse(document).items() if key not in _ENVELOPE}
                return (ChatMessage("", "assistant", metadata, parts=(ProviderPart(event.event_type, data),)),)
            case "stream-end":
                response = event.response or _NO_RESPONSE
                reason = event.finish_reason or response.finish_reason
                return (*self._missing(response), self._end(response, reason, event.error, metadata))
            case None if event.text is not None:
                # A whole response to a request for a stream.
                return self._decode_whole(self._parse(document))
            case None if error := error_of(self._parse(document), bare=True):
                self._fail(error, document)
                return ()
            case _:
                return (ChatMessage("", "assistant", metadata),)

    def _call_delta(self, event: _Event, metadata: Mapping[str, Any]) -> ChatMessage:
        """Return the chunk of a fragment of the plan or of a call."""
        delta = event.tool_call_delta or _NO_CALL
        self._plan += [text for text in (event.text, delta.text) if text]
        if delta.name is None and delta.parameters is None:
            return ChatMessage("", "assistant", metadata)
        index = delta.index or 0
        self._started.add(index)
        call = ToolCallDelta(index, "", delta.name or "", as_json(delta.parameters))
        return ChatMessage("", "assistant", metadata, tool_call_deltas=(call,))

    def _whole_calls(self, calls: list[_Call]) -> tuple[ToolCallDelta, ...]:
        """Return the deltas that complete the calls: those sent in chunks are only closed, the others are whole."""
        self._called = self._called or bool(calls)
        return tuple(
            ToolCallDelta(index, done=True)
            if index in self._started
            else ToolCallDelta(index, "", call.name or "", bytes(call.parameters).decode("utf-8", "replace"), True)
            for index, call in enumerate(calls)
        )

    def _missing(self, response: _Response) -> Sequence[ChatMessage]:
        """Return the content of the final response that no event contained: calls, or else text."""
        if self._called or self._started:
            return ()  # its text is the plan
        if response.tool_calls:
            return (ChatMessage(tool_call_deltas=self._whole_calls(response.tool_calls)),)
        rest = self._received.missing_from(response.text or "")
        return (ChatMessage(rest),) if rest else ()

    def _end(self, response: _Response, reason: str | None, error: Any, metadata: Mapping[str, Any]) -> ChatMessage:
        self.ended = True
        if error:
            self._error = stream_error(error)
        return last_chunk(reason, response.meta, metadata)

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        response = salvage(body, _Response, self._unread)
        if response.text is None and (response.message or response.error):
            self._fail(response.error or response.message or "", msgspec.json.encode(body))
            return ()
        citations = (TextPart("", tuple(response.citations)),) if response.citations else ()
        text = ChatMessage(response.text or "", parts=citations)
        calls = ChatMessage(tool_call_deltas=self._whole_calls(response.tool_calls or []))
        metadata = {key: value for key, value in body.items() if key not in _RESPONSE_FIELDS}
        return (text, calls, self._end(response, response.finish_reason, response.error, metadata))


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    event = parse_object(document)
    return members_without(event, _EVENT_FIELDS) | members_without(event.get("response"), _RESPONSE_FIELDS)


_ENVELOPE = {"event_type", "is_finished"}
_EVENT_FIELDS = {*_Event.__struct_fields__, "is_finished"} - {"event_type"}
_RESPONSE_FIELDS = {*_Response.__struct_fields__}


DECODER = CohereV1Decoder
