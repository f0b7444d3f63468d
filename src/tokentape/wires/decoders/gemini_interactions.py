"""Gemini's Interactions API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, TextPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata, with_metadata
from tokentape.usage import TokenUsage
from tokentape.wires.event_decoder import EventDecoder, decode_lines, same
from tokentape.wires.finish import Finish, finish_of
from tokentape.wires.google_error import google_error
from tokentape.wires.json_document import as_json, as_text, members_without, parse_object, salvage
from tokentape.wires.openai_usage import count
from tokentape.wires.stream_error import error_of

STATUSES: Mapping[str, FinishReason] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "incomplete": "length",
    "budget_exceeded": "length",
    "requires_continuation": "pause",
    "failed": "error",
}
_UNFINISHED = ("in_progress", "queued")
_MEDIA = ("image", "audio", "video", "document")


class _Content(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None


class _Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    arguments: Any = None
    signature: str | None = None
    content: _Content | None = None
    annotations: list[Any] | None = None


class _Interaction(msgspec.Struct, gc=False):
    status: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    steps: list[Any] | None = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    event_type: str | None = None
    index: int | None = None
    delta: _Delta | None = None
    step: dict[str, Any] | None = None
    interaction: _Interaction | None = None
    status: str | None = None
    error: Any = None


class _Step:
    """A step that is being received, other than thoughts or text."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.kind = as_text(start.get("type"))
        self.has_arguments = False
        self.deltas: list[dict[str, Any]] = []

    @property
    def whole(self) -> dict[str, Any]:
        """The step including its deltas, as in a response that is not streamed."""
        whole = dict(self.start)
        for delta in self.deltas:
            whole |= {key: value for key, value in delta.items() if key != "type"}
        return whole


class _TextDelta(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """A delta that contains only text; its type rejects anything else."""

    text: str


class _TextEvent(msgspec.Struct, gc=False, tag_field="event_type", tag="step.delta"):
    delta: _TextDelta
    index: int = 0
    error: None = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_text_events = msgspec.json.Decoder(_TextEvent).decode_lines


class GeminiInteractionsDecoder(EventDecoder):
    """Decodes the events of a streamed interaction, which ends with `[DONE]`; each step is a block."""

    terminal = "interaction.completed"
    request_paths = ("/interactions",)
    sdk_modules = ("google.genai",)

    def __init__(self) -> None:
        super().__init__()
        self._steps: dict[int, _Step] = {}
        self._calls: dict[int, int] = {}

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        event = self._typed(_decode_event, document, _Event)
        if event is None:
            return ()
        chunks = self._event(event, document)
        error = event.error or (event.interaction.error if event.interaction is not None else None)
        if error and self._error is None:
            self._error = google_error(error)
            self.ended = True
        return chunks

    def _event(self, event: _Event, document: bytes) -> Sequence[ChatMessage]:
        delta = event.delta
        if delta is not None and delta.type == "text" and delta.text is not None:
            self._text = True
            return (ChatMessage(delta.text, "assistant", _metadata(document), block=event.index or 0),)
        match event.event_type:
            case "step.delta":
                return self._step_delta(event.index or 0, delta or _Delta(), document)
            case "step.start":
                return self._step_start(event.index or 0, event.step or {}, document)
            case "step.stop":
                return self._step_stop(event.index or 0, document)
            case _:
                error = event.error
                if not error and event.event_type in (None, "error") and (error := error_of(self._parse(document))):
                    self._error = google_error(error)
                    self.ended = True
                if error:
                    return ()
                return self._progress(event.interaction or _Interaction(event.status), document)

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        events = decode_lines(_decode_text_events, documents)
        if events is None or not same([event.index for event in events]):
            return None
        block = events[0].index
        return [
            ChatMessage(event.delta.text, "assistant", metadata, block=block)
            for event, metadata in with_metadata(events, documents, _read_metadata)
        ]

    def _progress(self, interaction: _Interaction, document: bytes) -> Sequence[ChatMessage]:
        """Return the chunk with the status, usage and model of the interaction."""
        status = interaction.status or ""
        finish = Finish(None, None) if status in _UNFINISHED else finish_of(status, STATUSES)
        self._complete = self._complete or finish.raw is not None
        return (
            ChatMessage(
                "",
                "assistant",
                _metadata(document),
                usage=interactions_usage(interaction.usage) if interaction.usage else None,
                finish_reason=finish.reason,
                provider_finish_reason=finish.raw,
                model=interaction.model or None,
            ),
        )

    def _step_start(self, index: int, start: dict[str, Any], document: bytes) -> Sequence[ChatMessage]:
        match start.get("type"):
            case "model_output":
                return self._content(index, start.get("content"), document)
            case "thought":
                text = "".join(_texts(start.get("summary")))
                return self._thought(index, text, as_text(start.get("signature")), document)
            case "function_call":
                self._steps[index] = _Step(start)
                number = self._calls.setdefault(index, len(self._calls))
                call = ToolCallDelta(number, as_text(start.get("id")), as_text(start.get("name")))
                signed = self._thought(index, "", as_text(start.get("signature")), document)
                return (
                    *signed,
                    ChatMessage("", "assistant", _metadata(document), tool_call_deltas=(call,), block=index),
                )
            case "user_input":
                return ()
            case _:
                self._steps[index] = _Step(start)
                return ()

    def _step_delta(self, index: int, delta: _Delta, document: bytes) -> Sequence[ChatMessage]:
        step = self._steps.get(index)
        match delta.type:
            case "thought_summary":
                content = delta.content or _Content()
                return self._thought(index, content.text or "", "", document)
            case "thought_signature":
                return self._thought(index, "", delta.signature or "", document)
            case "text_annotation_delta":
                part = TextPart("", tuple(delta.annotations or ()))
                return (ChatMessage("", "assistant", _metadata(document), block=index, parts=(part,)),)
            case "arguments_delta" if step is not None and step.kind == "function_call":
                fragment = as_json(delta.arguments)
                step.has_arguments = step.has_arguments or bool(fragment)
                call = ToolCallDelta(self._calls[index], arguments=fragment)
                return (ChatMessage("", "assistant", _metadata(document), tool_call_deltas=(call,), block=index),)
            case _:
                raw = self._parse(document).get("delta")
                raw = raw if isinstance(raw, dict) else {}
                if step is not None:
                    step.deltas.append(raw)
                elif delta.type in _MEDIA:
                    own = ProviderPart(delta.type, raw)
                    return (ChatMessage("", "assistant", _metadata(document), block=index, parts=(own,)),)
                return ()

    def _step_stop(self, index: int, document: bytes) -> Sequence[ChatMessage]:
        step = self._steps.pop(index, None)
        if step is None:
            return ()
        if step.kind != "function_call":
            part = ProviderPart(step.kind, step.whole)
            return (ChatMessage("", "assistant", _metadata(document), block=index, parts=(part,)),)
        # The start of the step may contain the whole arguments.
        arguments = "" if step.has_arguments else as_json(step.start.get("arguments"))
        call = ToolCallDelta(self._calls[index], arguments=arguments, done=True)
        return (ChatMessage("", "assistant", _metadata(document), tool_call_deltas=(call,), block=index),)

    def _thought(self, index: int, text: str, signature: str, document: bytes) -> Sequence[ChatMessage]:
        if not text and not signature:
            return ()
        parts: tuple[Part, ...] = (ReasoningPart("", signature),) if signature else ()
        return (ChatMessage("", "assistant", _metadata(document), text, block=index, parts=parts),)

    def _content(self, index: int, content: Any, document: bytes) -> Sequence[ChatMessage]:
        """Return the chunks of whole content: text with its annotations, media."""
        messages: list[ChatMessage] = []
        for item in content if isinstance(content, list) else ():
            if not isinstance(item, dict):
                continue
            if item.get("type") == "text":
                annotations = item.get("annotations")
                parts: tuple[Part, ...] = (TextPart("", tuple(annotations)),) if isinstance(annotations, list) else ()
                text = as_text(item.get("text"))
                messages.append(ChatMessage(text, "assistant", _metadata(document), block=index, parts=parts))
            else:
                part = ProviderPart(as_text(item.get("type")), item)
                messages.append(ChatMessage("", "assistant", _metadata(document), block=index, parts=(part,)))
        return messages

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        if error := body.get("error") if "steps" in body else error_of(body):
            self._error = google_error(error)
            return ()
        interaction = salvage(body, _Interaction, self._unread)
        messages: list[ChatMessage] = []
        for index, step in enumerate(interaction.steps or ()):
            if isinstance(step, dict):
                messages += self._step_start(index, step, b"{}")
                messages += self._step_stop(index, b"{}")
        header = {key: value for key, value in body.items() if key != "steps"}
        messages += self._progress(interaction, json.dumps({"interaction": header}).encode())
        return messages


def interactions_usage(raw: Mapping[str, Any]) -> TokenUsage:
    """Read the `usage` of an interaction: the output excludes thoughts, and the input excludes that of tools."""
    read, tools = count(raw, "total_input_tokens"), count(raw, "total_tool_use_tokens")
    written, thoughts = count(raw, "total_output_tokens"), count(raw, "total_thought_tokens")
    return TokenUsage(
        read if tools is None else (read or 0) + tools,
        written if thoughts is None else (written or 0) + thoughts,
        count(raw, "total_tokens"),
        count(raw, "total_cached_tokens"),
        None,
        thoughts,
        raw,
    ).with_total()


def _metadata(document: bytes) -> Mapping[str, Any]:
    return lazy_metadata(document, _read_metadata)


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    event = parse_object(document)
    return members_without(event, _EVENT_FIELDS) | members_without(event.get("interaction"), _INTERACTION_FIELDS)


_EVENT_FIELDS = {"index", "delta", "step", "interaction", "error", "status"}
_INTERACTION_FIELDS = {"usage", "steps", "status", "object"}


def _texts(content: Any) -> list[str]:
    items = content if isinstance(content, list) else [content]
    return [as_text(item.get("text")) for item in items if isinstance(item, dict)]


DECODER = GeminiInteractionsDecoder
