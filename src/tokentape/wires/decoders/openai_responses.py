"""OpenAI responses.

The output is a list of items (messages, reasoning, calls, results of built-in tools), each with content parts. Deltas
name their item by id and position. Some gateways give each event another id, or several items one position, so items
are found by id first and then by position. Content that no delta contained is taken from the `done` events and the
final response; if these have other arguments of a call than its deltas, they replace them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tokentape.errors import ServerError
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata, with_metadata
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines
from tokentape.wires.finish import FinishReasons
from tokentape.wires.json_document import as_json, as_text, parse_object
from tokentape.wires.openai_usage import openai_usage
from tokentape.wires.output_items import CALLS, OutputItem, OutputItems
from tokentape.wires.received_text import ReceivedText
from tokentape.wires.stream_error import error_of, stream_error

INCOMPLETE_REASONS: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
}
"""Finish reasons by `incomplete_details.reason`."""

_XAI_SEARCHES = (
    "x_user_search",
    "x_keyword_search",
    "x_semantic_search",
    "x_thread_fetch",
    "view_x_video",
    "view_image",
)
"""Tools that xAI runs itself but sends like custom tools of the application."""
_RAW_REASONING = -1_000_000
"""The number of the first part of raw reasoning, so that its parts differ from those of the summary."""


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
    arguments: Any = None
    input: Any = None
    name: str | None = None
    annotation: Any = None
    logprobs: list[Any] | None = None
    response: dict[str, Any] | None = None
    error: Any = None
    object: str | None = None
    sequence_number: int | None = None


class _TextEvent(msgspec.Struct, gc=False, tag_field="type", tag="response.output_text.delta"):
    """A text delta; its type rejects anything else."""

    delta: str
    item_id: str
    content_index: int
    logprobs: tuple[()] | None = None
    error: None = None


_decode_event = msgspec.json.Decoder(_Event).decode
_text_event = msgspec.json.Decoder(_TextEvent)
_decode_text_event, _decode_text_events = _text_event.decode, _text_event.decode_lines


class OpenAIResponsesDecoder(EventDecoder):
    """Decodes the events of a streamed response.

    The input may end after the event with the final response. It is read to its end anyway, because some recordings
    contain several responses. `provider_finish_reason` is the status of the response; the metadata's
    `incomplete_details` has the reason why it is incomplete. The `signature` of a reasoning part is its item's id.
    """

    terminal = "response.completed, response.incomplete or response.failed"
    request_paths = ("/responses",)
    sdk_modules = ("openai.types.responses", "openai.lib.streaming.responses")

    def __init__(self) -> None:
        super().__init__()
        self._items = OutputItems()
        self._begin()
        self._started = False

    def _begin(self) -> None:
        self._items = OutputItems(self._items.blocks)
        self._text = False
        self._text_target = ("", 0, 0, ReceivedText())
        self._model = ""
        self._number: int | None = None
        self._since = 0
        self._has_gaps = False
        self._finish_reasons = FinishReasons()
        self._started = True
        self._complete = False

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        event = self._typed(_decode_event, document, _Event)
        if event is None:
            return ()
        if event.sequence_number is not None:
            self._note_number(event.sequence_number)
        if event.type == "response.output_text.delta" and event.delta is not None:
            part, item = event.content_index or 0, self._item(event, "message")
            block = self._items.add_text(item, part, event.delta)
            self._text = event.item_id is not None
            self._text_target = (event.item_id or "", part, block, item.received[part])
            metadata = lazy_metadata(document, _read_metadata)
            if event.logprobs:
                metadata = dict(metadata)  # log probabilities are joined over all chunks, so they are read now
            chunks: Sequence[ChatMessage] = (ChatMessage(event.delta, "assistant", metadata, block=block),)
        else:
            chunks = self._other_event(event, document)
        if event.error and self._error is None:
            self._error = stream_error(event.error)
            self.ended = True
        return chunks

    def _done(self) -> None:
        """End the stream if the final response was received: gateways add the end marker after it."""
        self.ended = self.ended or self._complete

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        item_id, part, block, received = self._text_target
        events = decode_lines(_decode_text_events, documents)
        if events is None:
            return None
        count = len(events)
        if [event.item_id for event in events].count(item_id) < count:
            return None
        if [event.content_index for event in events].count(part) < count:
            return None
        run = [
            ChatMessage(event.delta, "assistant", metadata, block=block)
            for event, metadata in with_metadata(events, documents, _read_metadata)
        ]
        received.add_run(run)
        self._since += count
        return run

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        item_id, part, block, received = self._text_target
        try:
            event = _decode_text_event(document)
        except DecodeFailure:
            return None
        if event.item_id != item_id or event.content_index != part:
            return None
        received.add(event.delta)
        self._since += 1
        return ChatMessage(event.delta, "assistant", lazy_metadata(document, _read_metadata), block=block)

    def _note_number(self, number: int) -> None:
        """Note the number of an event: a gap means that events were removed from a recording."""
        if self._number is not None and number > self._number + self._since + 1:
            self._has_gaps = True
        self._number, self._since = number, 0

    def _other_event(self, event: _Event, document: bytes) -> Sequence[ChatMessage]:
        metadata = lazy_metadata(document, _read_metadata)
        text = event.delta or ""
        match event.type:
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                item = self._item(event, _call_kind(event))
                if item.kind not in CALLS or self._is_run_by_provider(item.start):
                    return ()
                text = text or as_json(self._parse(document).get("delta"))
                item.arguments.add(text)
                call = ToolCallDelta(item.number, arguments=text)
                return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=item.number),)
            case "response.function_call_arguments.done" | "response.custom_tool_call_input.done":
                return self._arguments_done(self._item(event, _call_kind(event)), event, metadata)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                block = self._items.add_text(self._item(event, "reasoning"), _reasoning_part(event), text)
                return (ChatMessage("", "assistant", metadata, text, block=block),)
            case "response.refusal.delta":
                block = self._items.add_text(self._item(event, "message"), event.content_index or 0, text)
                return (ChatMessage("", "assistant", metadata, block=block, refusal=text),)
            case "response.output_text.done":
                item = self._item(event, "message")
                return self._part_done(item, event.content_index or 0, metadata, text=event.text or "")
            case "response.refusal.done":
                item = self._item(event, "message")
                return self._part_done(item, event.content_index or 0, metadata, refusal=event.refusal or "")
            case "response.reasoning_summary_text.done" | "response.reasoning_text.done":
                item = self._item(event, "reasoning")
                return self._part_done(item, _reasoning_part(event), metadata, reasoning=event.text or "")
            case "response.output_text.annotation.added":
                return self._annotation(
                    self._item(event, "message"), event.content_index or 0, event.annotation, metadata
                )
            case "response.output_item.added":
                return self._item_added(event.item or {}, event.output_index, metadata)
            case "response.output_item.done":
                final = event.item or {}
                return list(self._item_done(self._items.item_of(final, event.output_index), final, metadata))
            case _:
                return self._response_event(event, document, metadata)

    def _response_event(self, event: _Event, document: bytes, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        match event.type:
            case "response.created" | "response.queued" | "response.in_progress":
                if self._started and not self._complete:
                    return ()
                self._begin()
                model = self._model = as_text((event.response or {}).get("model"))
                return (ChatMessage("", "assistant", metadata, model=model or None),)
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
                status = event.type.removeprefix("response.")
                return self._final(event.response or {}, status, metadata)
            case "error":
                # The fields are beside the type in the documentation, but in `error` in recordings, which continue with
                # response.failed.
                flat = {key: value for key, value in self._parse(document).items() if key != "type"}
                self._error = self._error or stream_error(event.error or flat)
                return ()
            case _ if event.object == "response":
                return self._decode_whole(self._parse(document))
            case _:
                if not event.type and not event.error and (error := error_of(self._parse(document))):
                    self._error = stream_error(error)
                    self.ended = True
                return ()

    def _item(self, event: _Event, kind: str) -> OutputItem:
        """Return the item that an event belongs to; it is added if it did not start with an event."""
        items = self._items
        item = items.find(event.item_id, event.output_index)
        return item or items.add({"id": event.item_id, "type": kind}, event.output_index)

    def _part_done(
        self, item: OutputItem, part: int, metadata: Mapping[str, Any], **text: str
    ) -> Sequence[ChatMessage]:
        """Return what the event that ends a part has that no delta contained."""
        (whole,) = text.values()
        if part in item.received:
            item.ended[part] = len(whole)
        else:
            part, _ = item.place_of(part, whole, item.ended)
        return self._missing(item, part, metadata, 0, **text)

    def _missing(
        self, item: OutputItem, part: int, metadata: Mapping[str, Any], start: int, **text: str
    ) -> Sequence[ChatMessage]:
        """Return the end of a text, which is at `start` in its part, that no delta contained.

        In a recording with gaps that is nothing.
        """
        ((field, whole),) = text.items()
        received = item.received.get(part)
        rest = whole if received is None else "" if self._has_gaps else received.missing_from(whole, start)
        if not rest:
            return ()
        block = self._items.add_text(item, part, rest)
        return (ChatMessage(role="assistant", metadata=metadata, block=block, **{field: rest}),)  # type: ignore[arg-type]

    def _annotation(
        self, item: OutputItem, part: int, annotation: Any, metadata: Mapping[str, Any]
    ) -> Sequence[ChatMessage]:
        item.cited[part] = item.cited.get(part, 0) + 1
        citation = TextPart("", (annotation,))
        return (ChatMessage("", "assistant", metadata, block=self._items.block(item, part), parts=(citation,)),)

    def _item_added(
        self, start: dict[str, Any], index: int | None, metadata: Mapping[str, Any]
    ) -> Sequence[ChatMessage]:
        item = self._items.add(start, index)
        if item.kind in CALLS and not self._is_run_by_provider(start):
            item.announced = True
            call = ToolCallDelta(item.number, *_id_and_name(start))
            return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=item.number),)
        if phase := as_text(start.get("phase")):
            part = TextPart(phase=phase)
            return (ChatMessage("", "assistant", metadata, block=self._items.block(item, 0), parts=(part,)),)
        return ()

    def _is_run_by_provider(self, call: dict[str, Any]) -> bool:
        """Whether a call of a custom tool is one of xAI's own searches."""
        if call.get("type") != "custom_tool_call":
            return False
        return self._model.startswith("grok") or as_text(call.get("name")) in _XAI_SEARCHES

    def _arguments_done(self, item: OutputItem, event: _Event, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        """Return the end of the arguments that no delta contained; the finished item may still correct them."""
        if item.kind not in CALLS or self._is_run_by_provider(item.start) or item.done:
            return ()
        rest = item.arguments.missing_from(as_json(event.arguments) or as_json(event.input))
        if not rest:
            return ()
        item.arguments.add(rest)
        call = ToolCallDelta(item.number, arguments=rest)
        return (ChatMessage("", "assistant", metadata, tool_call_deltas=(call,), block=item.number),)

    def _call_done(self, item: OutputItem, final: dict[str, Any], metadata: Mapping[str, Any]) -> ChatMessage:
        """Return the chunk that ends a call: the rest of its arguments, or the whole call if its deltas differed."""
        whole = as_json(final.get("input") if final.get("type") == "custom_tool_call" else final.get("arguments"))
        # With one index, another id would be another call, so only the first id is sent.
        id_, name = ("", "") if item.announced else _id_and_name(final)
        received = item.arguments.text
        if whole and not whole.startswith(received):
            id_, name = _id_and_name(item.start) if item.announced else (id_, name)
            call = ToolCall.parse(id_, name, whole)
            return ChatMessage("", "assistant", metadata, tool_calls=(call,), block=item.number)
        delta = ToolCallDelta(item.number, id_, name, whole[len(received) :], done=True)
        return ChatMessage("", "assistant", metadata, tool_call_deltas=(delta,), block=item.number)

    def _item_done(self, item: OutputItem, final: dict[str, Any], metadata: Mapping[str, Any]) -> Iterator[ChatMessage]:
        if item.done:
            return
        item.done = True
        match final.get("type"):
            case "message":
                yield from self._message_done(item, final, metadata)
            case "reasoning":
                yield from self._reasoning_done(item, final, metadata)
            case "function_call" | "custom_tool_call" if not self._is_run_by_provider(final):
                yield self._call_done(item, final, metadata)
            case kind:
                provided = ProviderPart(as_text(kind), final, _awaits_result(final))
                yield ChatMessage("", "assistant", metadata, block=item.number, parts=(provided,))

    def _message_done(
        self, item: OutputItem, final: dict[str, Any], metadata: Mapping[str, Any]
    ) -> Iterator[ChatMessage]:
        ends: dict[int, int] = {}
        for number, content in enumerate(_objects(final.get("content"))):
            refusal, text = as_text(content.get("refusal")), as_text(content.get("text"))
            part, start = item.place_of(number, refusal or text, ends)
            yield from self._missing(
                item, part, metadata, start, **({"refusal": refusal} if refusal else {"text": text})
            )
            annotations = content.get("annotations")
            for annotation in (annotations if isinstance(annotations, list) else ())[item.cited.get(part, 0) :]:
                yield from self._annotation(item, part, annotation, metadata)
        if phase := as_text(final.get("phase")):
            for block in item.blocks.values():
                yield ChatMessage("", "assistant", metadata, block=block, parts=(TextPart(phase=phase),))

    def _reasoning_done(
        self, item: OutputItem, final: dict[str, Any], metadata: Mapping[str, Any]
    ) -> Iterator[ChatMessage]:
        ends: dict[int, int] = {}
        for first, parts in ((0, final.get("summary")), (_RAW_REASONING, final.get("content"))):
            for number, content in enumerate(_objects(parts), first):
                text = as_text(content.get("text"))
                part, start = item.place_of(number, text, ends)
                yield from self._missing(item, part, metadata, start, reasoning=text)
        id_, encrypted = as_text(final.get("id")), as_text(final.get("encrypted_content"))
        for block in list(item.blocks.values()) or [item.number]:
            if id_ or encrypted:
                part_ = ReasoningPart("", id_, encrypted)
                yield ChatMessage("", "assistant", metadata, block=block, parts=(part_,))
            encrypted = ""

    def _final(self, response: dict[str, Any], status: str, metadata: Mapping[str, Any]) -> Sequence[ChatMessage]:
        """Return the chunks of the final response: what is missing of its items, and one with the finish reason."""
        messages: list[ChatMessage] = []
        self._model = as_text(response.get("model")) or self._model
        for item, final in self._items.pairs(_objects(response.get("output"))):
            messages += self._item_done(item, final, metadata)
        status = as_text(response.get("status")) or status
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
                model=as_text(response.get("model")) or None,
            )
        )
        return messages

    def _finish_reason(self, status: str, details: Any) -> FinishReason | None:
        match status:
            case "completed":
                return "stop"
            case "incomplete":
                reason = details.get("reason") if isinstance(details, dict) else None
                return INCOMPLETE_REASONS.get(as_text(reason), "other")
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
        metadata = lazy_metadata(header, _read_metadata)
        return self._final(body, "completed", metadata)


def _reasoning_part(event: _Event) -> int:
    if event.type is not None and event.type.startswith("response.reasoning_summary"):
        return event.summary_index or 0
    return _RAW_REASONING + (event.content_index or 0)


def _call_kind(event: _Event) -> str:
    return "custom_tool_call" if (event.type or "").startswith("response.custom") else "function_call"


def _id_and_name(call: dict[str, Any]) -> tuple[str, str]:
    return as_text(call.get("call_id")) or as_text(call.get("id")), as_text(call.get("name"))


def _awaits_result(item: dict[str, Any]) -> bool:
    """Whether an item calls a provider's tool that the application must run."""
    match item.get("type"):
        case "apply_patch_call" | "local_shell_call" | "computer_call":
            return True
        case "shell_call":
            environment = item.get("environment")
            return not (isinstance(environment, dict) and as_text(environment.get("type")).startswith("container"))
        case "tool_search_call":
            return item.get("execution") == "client"
        case _:
            return False


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    event = parse_object(document)
    response = event.get("response")
    if isinstance(response, dict):
        return {key: value for key, value in response.items() if key not in _RESPONSE_FIELDS and value is not None}
    return {key: value for key, value in event.items() if key not in _EVENT_FIELDS and value != []}


_EVENT_FIELDS = {
    *("delta", "item", "part", "text", "refusal", "arguments", "input", "annotation", "name"),
    *("output_index", "content_index", "summary_index", "obfuscation"),
}
_RESPONSE_FIELDS = {"object", "output", "usage", "error"}


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


DECODER = OpenAIResponsesDecoder
