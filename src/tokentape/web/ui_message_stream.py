"""The UI message stream of the Vercel AI SDK, which `useChat` reads; no I/O.

Protocol: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, version 1; the SDK's schema of the events is
`uiMessageChunkSchema` of the npm package `ai`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, ToolCall, ToolCallDelta
from tokentape.stream.tool_call_assembly import OpenCall, ToolCallAssembly
from tokentape.web.frames import end_fields, error_fields, json_document, output_of, require_message

DONE: Final = b"data: [DONE]\n\n"

_FINISH: Final[Mapping[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "content_filter": "content-filter",
    "refusal": "content-filter",
    "pause": "other",
    "error": "error",
    "other": "other",
}
_REFUSAL: Final = {"tokentape": {"refusal": True}}


class UIMessageEncoder:
    """Encodes the messages of one stream as the events of one UI message; only its first choice.

    Each stream, the first one and the follow-ups, is a step, as is what comes after the result of a tool. A message
    with the role `tool` is the result of a call; its text is sent as a JSON value if it is an object or an array.
    """

    def __init__(self, stream: object) -> None:
        self._stream = stream
        self._events: list[bytes] = []
        self._started = False
        self._parts = 0
        self._part: tuple[str, int | None, str] | None = None  # the open part: kind, block, id
        self._streams = 1
        self._ui_ids: dict[str | None, str] = {}  # of the calls of all steps, by the provider's id
        self._used_ids: set[str] = set()
        self._results: dict[str, str] = {}
        self._begin_step()
        self._in_step = False

    def message(self, message: ChatMessage) -> list[bytes]:
        """Return the events of a chunk, each by itself."""
        require_message(message)
        if message.index == 0:
            if message.role == "tool":
                self._add_result(message)
            else:
                self._add_content(message)
        return self._take()

    def end(self) -> list[bytes]:
        """Return the last events, with finish reason and usage; a stream that was closed ends with `abort`."""
        if getattr(self._stream, "status", None) == "cancelled":
            return self.stopped()
        self._end_step()
        fields = end_fields(output_of(self._stream))
        reason = fields.get("finish_reason")
        self._add("finish", **({"finishReason": _FINISH[reason]} if reason else {}), messageMetadata=fields)
        return [*self._take(), DONE]

    def stopped(self) -> list[bytes]:
        """Return the last events of a stream that was stopped: `abort`."""
        self._end_step()
        self._add("abort")
        return [*self._take(), DONE]

    def error(self, error: BaseException) -> list[bytes]:
        """Return the events that mark the stream as broken."""
        fields = error_fields(error)
        self._add("error", errorText=f"{fields['message']}: {fields['type']}")
        return [*self._take(), DONE]

    def heartbeat(self) -> bytes:
        """Return a comment, which readers skip."""
        return b": heartbeat\n\n"

    def _add(self, kind: str, **fields: Any) -> None:
        if not self._started:
            self._started = True
            self._add("start")
        self._events.append(b"data: " + json_document({"type": kind, **fields}) + b"\n\n")

    def _take(self) -> list[bytes]:
        events, self._events = self._events, []
        return events

    def _begin_step(self) -> None:
        self._in_step, self._is_finished, self._has_results = True, False, False
        self._assembly = ToolCallAssembly()
        self._streamed: dict[OpenCall, str] = {}
        self._step_ids: dict[str, str] = {}
        self._inputs: dict[str, ToolCall] = {}

    def _end_step(self) -> None:
        self._end_part()
        if self._in_step:
            self._add("finish-step")
            self._in_step = False

    def _enter_step(self) -> None:
        if not self._in_step:
            self._begin_step()
            self._add("start-step")

    def _is_next_step(self) -> bool:
        """Whether content belongs to a later step than what was sent."""
        streams = _streams(self._stream)
        # Smoothed text of a stream may leave when its follow-up has already begun.
        left = self._is_finished or getattr(streams[self._streams - 1], "finish_reason", None) is None
        is_next = self._has_results or (len(streams) > self._streams and left)
        if is_next:
            self._streams = len(streams)
        return is_next

    def _add_content(self, message: ChatMessage) -> None:
        content = (("reasoning", message.reasoning), ("text", message.text), ("refusal", message.refusal))
        if message.tool_call_deltas or message.tool_calls or any(text for _, text in content):
            if self._is_next_step():
                self._end_step()
            self._enter_step()
        for kind, text in content:
            if text:
                self._add_text(kind, message.block, text)
        for delta in message.tool_call_deltas:
            self._add_fragment(delta)
        for call in message.tool_calls:
            self._add_call(call)
        if message.finish_reason is not None:
            self._is_finished = True
            self._assembly.finish()

    def _add_text(self, kind: str, block: int | None, text: str) -> None:
        of = "reasoning" if kind == "reasoning" else "text"
        if self._part is None or self._part[:2] != (kind, block):
            self._end_part()
            self._parts += 1
            self._part = kind, block, f"{kind}-{self._parts}"
            self._add(f"{of}-start", id=self._part[2], **({"providerMetadata": _REFUSAL} if kind == "refusal" else {}))
        self._add(f"{of}-delta", id=self._part[2], delta=text)

    def _end_part(self) -> None:
        if self._part is not None:
            kind, _, part_id = self._part
            self._add("reasoning-end" if kind == "reasoning" else "text-end", id=part_id)
            self._part = None

    def _add_fragment(self, delta: ToolCallDelta) -> None:
        """Send a fragment once the id and the name of its call are known; before, it waits."""
        self._end_part()
        call = self._assembly.add_delta(delta)
        ui_id, arguments = self._streamed.get(call), delta.arguments
        if ui_id is None and call.id and call.name and call.id not in self._step_ids:
            ui_id, arguments = self._new_id(call.id), call.arguments
            self._streamed[call] = self._step_ids[call.id] = ui_id
            self._add("tool-input-start", toolCallId=ui_id, toolName=call.name)
        if ui_id is not None and arguments:
            self._add("tool-input-delta", toolCallId=ui_id, inputTextDelta=arguments)
        if delta.done:
            self._assembly.finish([call])

    def _add_call(self, call: ToolCall) -> None:
        """Send a complete call; one that has taken the place of a call without arguments replaces it."""
        self._end_part()
        ui_id = self._step_ids.get(call.id) if call.id else None
        before = None if ui_id is None else self._inputs.get(ui_id)
        if ui_id is None or (before is not None and (before.arguments or before.name != call.name)):
            ui_id = self._new_id(call.id)
            self._step_ids[call.id] = ui_id
        self._inputs[ui_id] = call
        if call.valid:
            self._add("tool-input-available", toolCallId=ui_id, toolName=call.name, input=call.arguments)
        else:
            reason = "the arguments are not a JSON object"
            self._add(
                "tool-input-error", toolCallId=ui_id, toolName=call.name, input=call.raw_arguments, errorText=reason
            )

    def _add_result(self, message: ChatMessage) -> None:
        """Send the result of a call; of one that is sent in pieces, all that came so far."""
        self._end_part()
        self._enter_step()
        self._has_results = True
        ui_id = self._ui_ids.get(message.tool_call_id)
        if ui_id is None:
            ui_id = self._new_id(message.tool_call_id or "")
            self._ui_ids[message.tool_call_id] = ui_id
            name = message.name or "tool"
            self._add("tool-input-available", toolCallId=ui_id, toolName=name, input={}, dynamic=True)
        text = self._results[ui_id] = self._results.get(ui_id, "") + message.text
        if message.metadata.get("is_error"):
            self._add("tool-output-error", toolCallId=ui_id, errorText=text)
        else:
            self._add("tool-output-available", toolCallId=ui_id, output=_json_value(text))

    def _new_id(self, provider_id: str) -> str:
        """Return an id that no other call of this message has: the provider's own where it can be."""
        ui_id, number = provider_id or "call-1", 1
        while ui_id in self._used_ids:
            number += 1
            ui_id = f"{provider_id or 'call'}-{number}"
        self._used_ids.add(ui_id)
        self._ui_ids[provider_id] = ui_id
        return ui_id


def _streams(stream: object) -> list[object]:
    """Return a stream and its follow-ups, in the order of their chunks."""
    return [stream, *(later for follow_up in getattr(stream, "follow_ups", ()) for later in _streams(follow_up))]


def _json_value(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return text
