"""Gemini's generateContent and streamGenerateContent, on AI Studio and on Vertex."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.framing.gemini import GeminiFraming
from tokentape.framing.json_array import END
from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata, with_metadata
from tokentape.usage import TokenUsage
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines
from tokentape.wires.finish import Finish, finish_of
from tokentape.wires.gemini_chunk import (
    Candidate,
    Chunk,
    Content,
    FunctionCall,
    GeminiPart,
    PartialArg,
    decode_chunk,
    decode_text_chunk,
    decode_text_chunks,
)
from tokentape.wires.gemini_usage import gemini_usage
from tokentape.wires.google_error import google_error
from tokentape.wires.json_document import as_text, item_at, members_without, parse_object, raw_json, salvage
from tokentape.wires.partial_arguments import PartialArguments
from tokentape.wires.stream_error import error_of

FINISH_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "CONTINUATION": "pause",
}

# The numbers with `enum-encoding=int`. AI Studio and Vertex number the later reasons differently: those stay numbers.
_NUMBERED = ("", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
_NUMBERED_FILTERS = (6, 7, 8)


_NO_CONTENT = Content()


class _State:
    """The state of one candidate: the run of parts and the function call that are being received."""

    __slots__ = ("block", "calls", "kind", "open_call")

    def __init__(self) -> None:
        self.kind = ""
        self.block = 0
        self.calls = 0
        self.open_call: PartialArguments | None = None

    def enter(self, kind: str) -> int:
        """Return the block of a part of this kind: the same as before, or a new one after a part of another kind."""
        if kind != self.kind:
            self.block += bool(self.kind)
            self.kind = kind
        return self.block


class GeminiDecoder(EventDecoder):
    """Decodes a stream of responses, as server-sent events or as a JSON array.

    The only terminal event is the end of the array: an event stream is complete once a candidate has a finish reason,
    or the prompt was blocked. Each run of thoughts, of text or of other parts is a block. The thought signature of a
    part belongs to the reasoning before it, or to reasoning without text if there is none.
    """

    framing = GeminiFraming
    terminal = "a finish reason"
    request_paths = (":streamGenerateContent", ":generateContent")
    sdk_modules = ("google.genai.types",)
    usage_beside_text = True

    def __init__(self) -> None:
        super().__init__()
        self._states: dict[int, _State] = {0: _State()}
        self._model: str | None = None

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        if document == END:
            self.ended = True
            return ()
        chunk = self._typed(decode_chunk, document, Chunk)
        if chunk is None:
            return ()
        messages = self._messages(chunk, document)
        # Text usually arrives in runs; a run continues in the state after the chunk before it.
        self._text = (
            self._model is not None
            and len(messages) == 1
            and bool(messages[0].text)
            and not messages[0].index
            and self._states[0].kind == "text"
        )
        return messages

    def _done(self) -> None:
        """Ignore the end marker that gateways add: it does not end the stream."""

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        block = self._states[0].block
        chunks = decode_lines(decode_text_chunks, documents)
        if chunks is None:
            return None
        return [
            ChatMessage(
                chunk.candidates[0].content.parts[0].text,
                "assistant",
                metadata,
                usage=gemini_usage(chunk.usageMetadata) if chunk.usageMetadata else None,
                block=block,
            )
            for chunk, metadata in with_metadata(chunks, documents, _read_metadata)
        ]

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        try:
            chunk = decode_text_chunk(document)
        except DecodeFailure:
            return None
        return ChatMessage(
            chunk.candidates[0].content.parts[0].text,
            "assistant",
            lazy_metadata(document, _read_metadata),
            usage=gemini_usage(chunk.usageMetadata) if chunk.usageMetadata else None,
            block=self._states[0].block,
        )

    def _messages(self, chunk: Chunk, document: bytes) -> Sequence[ChatMessage]:
        usage = gemini_usage(chunk.usageMetadata) if chunk.usageMetadata else None
        error = chunk.error or next((each.error for each in chunk.candidates or () if each.error), None)
        if not error and not chunk.candidates and usage is None and chunk.promptFeedback is None:
            error = error_of(self._parse(document))
        if error:
            self._error = google_error(error)
            self.ended = True
            if not chunk.candidates:
                return ()
        model = chunk.modelVersion if self._model is None else None
        self._model = self._model or chunk.modelVersion
        candidates = chunk.candidates or ()
        messages: list[ChatMessage] = []
        for position, candidate in enumerate(candidates):
            metadata = lazy_metadata(document, _read_metadata, position)
            if candidate.logprobsResult is not None:
                metadata = dict(metadata)  # log probabilities are joined over all chunks, so they are read now
            last = position == len(candidates) - 1
            reported_model = chunk.modelVersion if candidate.has_sources else model
            messages += self._candidate(
                candidate, position, document, metadata, usage if last else None, reported_model
            )
        if not candidates:
            metadata = lazy_metadata(document, _read_metadata)
            blocked = _enum_name(chunk.promptFeedback.blockReason) if chunk.promptFeedback is not None else None
            self._complete = self._complete or blocked is not None
            reason: FinishReason | None = None if blocked is None else "content_filter"
            messages.append(
                ChatMessage(
                    "",
                    "assistant",
                    metadata,
                    usage=usage,
                    finish_reason=reason,
                    provider_finish_reason=blocked,
                    model=model,
                )
            )
        return messages

    def _candidate(
        self,
        candidate: Candidate,
        position: int,
        document: bytes,
        metadata: Mapping[str, Any],
        usage: TokenUsage | None,
        model: str | None,
    ) -> list[ChatMessage]:
        """Return a candidate's messages, one for each part; the last has the usage and the finish reason."""
        index = position if candidate.index is None else candidate.index
        state = self._states.setdefault(index, _State())
        messages: list[ChatMessage] = []
        for number, part in enumerate((candidate.content or _NO_CONTENT).parts or ()):
            messages += self._part(part, (position, number), state, index, document)
        reason, raw = _finish(candidate.finishReason)
        if reason is not None:
            self._complete = True
            if state.open_call is not None:
                messages.append(self._end_call(state, index))
        last = messages.pop() if messages and not candidate.has_sources else ChatMessage(index=index, block=state.block)
        last = msgspec.structs.replace(
            last, metadata=metadata, usage=usage, finish_reason=reason, provider_finish_reason=raw, model=model
        )
        return [*messages, last]

    def _part(
        self, part: GeminiPart, place: tuple[int, int], state: _State, index: int, document: bytes
    ) -> Sequence[ChatMessage]:
        messages: list[ChatMessage] = []
        signature = part.thoughtSignature or ""
        if part.thought and part.text is not None:
            block = state.enter("reasoning")
            parts: tuple[Part, ...] = (ReasoningPart("", signature),) if signature else ()
            if part.text or parts:
                messages.append(ChatMessage(reasoning=part.text, index=index, block=block, parts=parts))
            if signature:
                state.kind = "signed"
            return messages
        call, text = part.functionCall, part.text
        is_common = call is not None or text is not None
        provider_part = None if is_common else self._provider_part(document, *place)
        if signature and provider_part is None:
            # The signature of another part belongs to the reasoning before it.
            block = state.enter("reasoning")
            state.kind = "signed"
            messages.append(ChatMessage(index=index, block=block, parts=(ReasoningPart("", signature),)))
        if call is not None:
            block = state.enter("tool_calls")
            delta = self._call_delta(call, state, document)
            messages.append(ChatMessage(tool_call_deltas=(delta,), index=index, block=block))
        elif text:
            messages.append(ChatMessage(text, index=index, block=state.enter("text")))
        elif provider_part is not None:
            state.kind = "signed"
            messages.append(ChatMessage(index=index, block=state.enter("provider"), parts=(provider_part,)))
        return messages

    def _call_delta(self, call: FunctionCall, state: _State, document: bytes) -> ToolCallDelta:
        """Return the delta of a function call: a whole call, its name, or values of its arguments."""
        arguments = raw_json(call.args)
        if arguments.strip() in ("{}", "null") and (call.willContinue or call.partialArgs):
            arguments = ""  # a placeholder for the values that follow
        if state.open_call is None or call.name:
            state.calls += 1
            state.open_call = PartialArguments() if call.willContinue or call.partialArgs else None
        number, open_call = state.calls - 1, state.open_call
        if open_call is not None:
            try:
                arguments += "".join(_partial(open_call, arg) for arg in call.partialArgs or ())
            except ValueError as error:
                raise self._malformed(document, f"has partial arguments that don't fit together ({error})") from error
            if not call.willContinue:
                arguments += open_call.close()
        if not call.willContinue:
            state.open_call = None
        return ToolCallDelta(number, as_text(call.id), call.name or "", arguments, done=not call.willContinue)

    @staticmethod
    def _end_call(state: _State, index: int) -> ChatMessage:
        """Return the chunk that ends a call which no part ended."""
        assert state.open_call is not None
        delta = ToolCallDelta(state.calls - 1, arguments=state.open_call.close(), done=True)
        state.open_call = None
        return ChatMessage(tool_call_deltas=(delta,), index=index, block=state.block)

    def _provider_part(self, document: bytes, candidate: int, number: int) -> ProviderPart | None:
        """Return a part of a Gemini-specific kind (executable code, files, server tools), whole."""
        try:
            part = self._parse(document)["candidates"][candidate]["content"]["parts"][number]
        except (LookupError, TypeError):
            return None
        if not isinstance(part, dict):
            return None
        kind = next((key for key in part if key not in ("thought", "thoughtSignature", "text")), None)
        return None if kind is None else ProviderPart(kind, part)

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        return self._messages(salvage(body, Chunk, self._unread), json.dumps(body).encode())


def _partial(call: PartialArguments, arg: PartialArg) -> str:
    value: Any = None
    for value in (arg.stringValue, arg.numberValue, arg.boolValue):
        if value is not None:
            break
    if value is None and arg.nullValue is msgspec.UNSET:
        return ""
    return call.add(arg.jsonPath, value, continues=bool(arg.willContinue))


def _finish(reason: str | int | None) -> Finish:
    name = _enum_name(reason)
    if name == "FINISH_REASON_UNSPECIFIED":
        return Finish(None, None)
    if isinstance(reason, int) and reason in _NUMBERED_FILTERS:
        return Finish("content_filter", name)
    return finish_of(name, FINISH_REASONS)


def _enum_name(value: str | int | None) -> str | None:
    """Return the name of an enumeration's value, or its number if that is ambiguous."""
    if isinstance(value, int):
        return (_NUMBERED[value] or None) if 0 <= value < len(_NUMBERED) else str(value)
    return value or None


def _read_metadata(document: bytes, position: int) -> dict[str, Any]:
    chunk = parse_object(document)
    candidate = item_at(chunk.get("candidates"), position)
    own = members_without(candidate, ("content", "finishReason", "index", "error"))
    return members_without(chunk, ("candidates", "usageMetadata", "error")) | own


DECODER = GeminiDecoder
