"""OpenAI responses.

The output is a list of items (messages, reasoning, calls, what built-in tools did), each of content parts. Deltas name
their item by id and position; gateways exist that give each event another id, or several items one position, so the
id decides and then the position. What no delta has said is taken from the `done` events and the final response.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from tokentape.errors import ServerError
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCallDelta
from tokentape.wires.chunk_metadata import ChunkMetadata, chunk_metadata
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines, same
from tokentape.wires.json_document import parse_document, salvage
from tokentape.wires.openai_chat import stream_error
from tokentape.wires.openai_usage import openai_usage
from tokentape.wires.output_items import OutputItem, OutputItems

INCOMPLETE_REASONS: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
}
"""By `incomplete_details.reason`; of a response that is complete, its tool calls tell why it ended."""

_CALLS = ("function_call", "custom_tool_call")
_LATER = -1_000_000
"""Raw reasoning is counted from here, so that its parts are not those of the summary."""


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    delta: str | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item: dict[str, Any] | None = None
    text: str | None = None
    refusal: str | None = None
    annotation: Any = None
    response: dict[str, Any] | None = None
    error: dict[str, Any] | str | None = None
    object: str | None = None


class _TextEvent(msgspec.Struct, gc=False, tag_field="type", tag="response.output_text.delta"):
    """A delta of text: the types do the checking."""

    delta: str
    item_id: str
    content_index: int


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_text_events = msgspec.json.Decoder(_TextEvent).decode_lines


class OpenAIResponsesDecoder(EventDecoder):
    """Decodes the events of a streamed response.

    Once the event with the final response was seen the input may end. It is read to its end all the same: recordings
    exist of several responses one after the other. `provider_finish_reason` is the status of the response; why it is
    incomplete is in `incomplete_details` of the metadata. The `signature` of a reasoning part is the id of its item.
    """

    terminal = "response.completed, response.incomplete or response.failed"

    def __init__(self) -> None:
        super().__init__()
        self._items = OutputItems()
        self._begin()
        self._started = False

    def _begin(self) -> None:
        self._items = OutputItems(self._items.blocks)
        self._calls = False
        self._text = False
        self._speaking = ("", 0, 0)
        self._started = True
        self._complete = False

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        try:
            event = _decode_event(document)
        except DecodeFailure:
            if document.strip() in (b"[DONE]", b""):
                # Gateways add it after the final response; it takes nothing's place.
                self.ended = self._complete and bool(document.strip())
                return ()
            event = salvage(self._parse(document), _Event)
        if event.type == "response.output_text.delta" and event.delta is not None:
            part = event.content_index or 0
            block = self._items.speak(self._item(event), part)
            self._text = event.item_id is not None
            self._speaking = (event.item_id or "", part, block)
            metadata = cast("Mapping[str, Any]", ChunkMetadata(document, _read_metadata))
            return (ChatMessage(event.delta, "assistant", metadata, block=block),)
        return self._other_event(event, document)

    def _decode_text(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        events = decode_lines(_decode_text_events, documents)
        if events is None:
            return None
        item_id, part, block = self._speaking
        if not same([item_id, *[event.item_id for event in events]]):
            return None
        if not same([part, *[event.content_index for event in events]]):
            return None
        return [
            ChatMessage(event.delta, "assistant", metadata, block=block)
            for event, metadata in zip(events, chunk_metadata(documents, _read_metadata), strict=False)
        ]

    def _other_event(self, event: _Event, document: bytes) -> Sequence[ChatMessage]:
        metadata = cast("Mapping[str, Any]", ChunkMetadata(document, _read_metadata))
        text = event.delta or ""
        match event.type:
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                item = self._item(event)
                item.argued = True
                call = ToolCallDelta(item.number, arguments=text)
                return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=item.number),)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                block = self._items.speak(self._item(event), _reasoning_part(event))
                return (ChatMessage("", "assistant", metadata, text, block=block),)
            case "response.refusal.delta":
                block = self._items.speak(self._item(event), event.content_index or 0)
                return (ChatMessage("", "assistant", metadata, block=block, refusal=text),)
            case "response.output_text.done":
                return self._unsaid(self._item(event), event.content_index or 0, metadata, text=event.text or "")
            case "response.refusal.done":
                return self._unsaid(self._item(event), event.content_index or 0, metadata, refusal=event.refusal or "")
            case "response.reasoning_summary_text.done" | "response.reasoning_text.done":
                return self._unsaid(self._item(event), _reasoning_part(event), metadata, reasoning=event.text or "")
            case "response.output_text.annotation.added":
                return self._annotation(self._item(event), event.content_index or 0, event.annotation, metadata)
            case "response.output_item.added":
                return self._item_added(event.item or {}, event.output_index, metadata)
            case "response.output_item.done":
                final = event.item or {}
                return list(self._item_done(self._items.ending(final, event.output_index), final, metadata))
            case _:
                return self._response_event(event, document, metadata)

    def _response_event(self, event: _Event, document: bytes, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        match event.type:
            case "response.created" | "response.queued" | "response.in_progress":
                if self._started and not self._complete:
                    return ()
                self._begin()
                model = _string((event.response or {}).get("model"))
                return (ChatMessage("", "assistant", metadata, model=model or None),)
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
                status = event.type.removeprefix("response.")
                return self._final(event.response or {}, status, metadata)
            case "error":
                # The documentation has the fields beside the type, recordings have them in `error`; those go on to
                # response.failed.
                flat = {key: value for key, value in self._parse(document).items() if key != "type"}
                self._error = self._error or stream_error(event.error or flat)
                return ()
            case _ if event.object == "response":
                return self._decode_whole(self._parse(document))
            case _:
                if event.error:
                    self._error = stream_error(event.error)
                    self.ended = True
                return ()

    def _item(self, event: _Event) -> OutputItem:
        """The item that an event belongs to; one that was never announced begins here."""
        items = self._items
        return items.find(event.item_id, event.output_index) or items.begin({"id": event.item_id}, event.output_index)

    def _unsaid(self, item: OutputItem, part: int, metadata: Mapping[str, Any], **said: str) -> Sequence[ChatMessage]:
        """What a part says at its end, if no delta said it."""
        if part in item.spoken or not any(said.values()):
            return ()
        return (ChatMessage(role="assistant", metadata=metadata, block=self._items.speak(item, part), **said),)  # type: ignore[arg-type]

    def _annotation(
        self, item: OutputItem, part: int, annotation: Any, metadata: Mapping[str, Any]
    ) -> Sequence[ChatMessage]:
        item.cited[part] = item.cited.get(part, 0) + 1
        citation = TextPart("", (annotation,))
        return (ChatMessage("", "assistant", metadata, block=self._items.block(item, part), parts=(citation,)),)

    def _item_added(
        self, start: dict[str, Any], index: int | None, metadata: Mapping[str, Any]
    ) -> Sequence[ChatMessage]:
        item = self._items.begin(start, index)
        if start.get("type") not in _CALLS:
            return ()
        return (self._call(item, start, "", metadata),)

    def _call(
        self, item: OutputItem, said: dict[str, Any], arguments: str, metadata: Mapping[str, Any], *, done: bool = False
    ) -> ChatMessage:
        self._calls = True
        id_ = _string(said.get("call_id")) or _string(said.get("id"))
        name = _string(said.get("name"))
        # Under one number the first id counts: a later one would begin another call.
        again = item.start is not said and item.start.get("type") in _CALLS
        call = ToolCallDelta(item.number, "" if again else id_, "" if again else name, arguments, done)
        return ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=item.number)

    def _item_done(self, item: OutputItem, final: dict[str, Any], metadata: Mapping[str, Any]) -> Iterator[ChatMessage]:
        if item.done:
            return
        item.done = True
        match final.get("type"):
            case "message":
                for part, content in enumerate(_objects(final.get("content"))):
                    refusal = _string(content.get("refusal"))
                    yield from self._unsaid(item, part, metadata, text=_string(content.get("text")), refusal=refusal)
                    annotations = content.get("annotations")
                    for annotation in (annotations if isinstance(annotations, list) else ())[item.cited.get(part, 0) :]:
                        yield from self._annotation(item, part, annotation, metadata)
            case "reasoning":
                yield from self._reasoning_done(item, final, metadata)
            case "function_call" | "custom_tool_call":
                arguments = "" if item.argued else _arguments(final)
                yield self._call(item, final, arguments, metadata, done=True)
            case kind:
                provided = ProviderPart(_string(kind), final)
                yield ChatMessage("", "assistant", metadata, block=item.number, parts=(provided,))

    def _reasoning_done(
        self, item: OutputItem, final: dict[str, Any], metadata: Mapping[str, Any]
    ) -> Iterator[ChatMessage]:
        for first, parts in ((0, final.get("summary")), (_LATER, final.get("content"))):
            for part, content in enumerate(_objects(parts), first):
                yield from self._unsaid(item, part, metadata, reasoning=_string(content.get("text")))
        id_, encrypted = _string(final.get("id")), _string(final.get("encrypted_content"))
        for block in list(item.spoken.values()) or [item.number]:
            if id_ or encrypted:
                part_ = ReasoningPart("", id_, encrypted)
                yield ChatMessage("", "assistant", metadata, block=block, parts=(part_,))
            encrypted = ""

    def _final(self, response: dict[str, Any], status: str, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        """The chunks of the final response: items of which nothing has come, or not their end; then why it ended."""
        messages: list[ChatMessage] = []
        output = _objects(response.get("output"))
        if self._items.begun:
            finals = {_string(final.get("id")): final for final in output if final.get("id")}
            for item in [item for item in self._items.begun if not item.done]:
                final = finals.get(_string(item.start.get("id")))
                if final is not None and final.get("type") == item.start.get("type"):
                    messages += self._item_done(item, final, metadata)
        else:
            for index, final in enumerate(output):
                messages += self._item_done(self._items.begin(final, index), final, metadata)
        status = _string(response.get("status")) or status
        reason = self._finish_reason(status, response.get("incomplete_details"))
        usage = response.get("usage")
        error = response.get("error")
        if error:
            self._error = self._error or stream_error(error)
        elif status == "failed":
            self._error = self._error or ServerError("the response failed; the provider gave no reason", body=response)
        self._complete, self.ended = True, self._error is not None
        messages.append(
            ChatMessage(
                "",
                "assistant",
                metadata,
                usage=openai_usage(usage) if isinstance(usage, dict) and usage else None,
                finish_reason=reason,
                provider_finish_reason=None if reason is None else status,
                model=_string(response.get("model")) or None,
            )
        )
        return messages

    def _finish_reason(self, status: str, details: Any) -> FinishReason | None:
        match status:
            case "completed":
                return "tool_calls" if self._calls else "stop"
            case "incomplete":
                reason = details.get("reason") if isinstance(details, dict) else None
                return INCOMPLETE_REASONS.get(_string(reason), "other")
            case "failed":
                return "error"
            case "queued" | "in_progress":
                return None
            case _:
                return "other"

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        if body.get("object") != "response" and body.get("error"):
            self._error = stream_error(body["error"])
            return ()
        header = msgspec.json.encode({"response": {**body, "output": []}})
        metadata = cast("Mapping[str, Any]", ChunkMetadata(header, _read_metadata))
        return self._final(body, "completed", metadata)


def _reasoning_part(event: _Event) -> int:
    if event.type is not None and event.type.startswith("response.reasoning_summary"):
        return event.summary_index or 0
    return _LATER + (event.content_index or 0)


def _arguments(call: dict[str, Any]) -> str:
    given = call.get("input") if call.get("type") == "custom_tool_call" else call.get("arguments")
    return given if isinstance(given, str) else "" if given is None else msgspec.json.encode(given).decode()


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    event = parse_document(document)
    if not isinstance(event, dict):
        return {}
    response = event.get("response")
    if isinstance(response, dict):
        return {key: value for key, value in response.items() if key not in _RESPONSE_FIELDS and value is not None}
    return {key: value for key, value in event.items() if key not in _EVENT_FIELDS and value != []}


_EVENT_FIELDS = {
    *("delta", "item", "part", "text", "refusal", "arguments", "input", "annotation"),
    *("output_index", "content_index", "summary_index", "obfuscation"),
}
_RESPONSE_FIELDS = {"object", "output", "usage", "error"}


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
