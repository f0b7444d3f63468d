"""OpenAI chat completions, in the dialects of all providers that use this format.

The decoder accepts every dialect: reasoning as `reasoning_content`, `reasoning` or thinking parts; usage in a separate
chunk, beside the choices or under `x_groq`; errors beside the choices, inside one, or alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, TextPart, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata
from tokentape.usage import TokenUsage
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines, text_chunks
from tokentape.wires.finish import finish_of
from tokentape.wires.json_document import as_json, as_text, item_at, members_without, parse_object, salvage
from tokentape.wires.openai_usage import openai_usage
from tokentape.wires.reasoning_details import ReasoningDetails
from tokentape.wires.received_text import ReceivedText
from tokentape.wires.stream_error import error_of, stream_error

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "error": "error",
}


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None
    input: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | int | None = None
    function: _Function | None = None
    custom: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None
    audio: dict[str, Any] | None = None
    executed_tools: list[Any] | None = None
    error: Any = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = None
    message: _Delta | None = None
    logprobs: Any = None
    error: Any = None


class _Groq(msgspec.Struct, gc=False):
    usage: dict[str, Any] | None = None
    error: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    x_groq: _Groq | None = None


class _TextDelta(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A delta that contains only text; its type rejects anything else."""

    content: str
    role: Literal["assistant"] | None = None
    reasoning_content: Literal[""] | None = None
    reasoning: Literal[""] | None = None
    refusal: Literal[""] | None = None
    tool_calls: None = None
    function_call: None = None


class _TextChoice(msgspec.Struct, gc=False):
    delta: _TextDelta
    finish_reason: None = None
    index: Literal[0] = 0
    logprobs: None = None
    error: None = None


class _TextChunk(msgspec.Struct, gc=False):
    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None
    x_groq: None = None


_NO_DELTA = _Delta()
_text_chunk = msgspec.json.Decoder(_TextChunk)
_decode_text_chunk, _decode_text_chunks = _text_chunk.decode, _text_chunk.decode_lines
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class OpenAIChatDecoder(EventDecoder):
    """Decodes a stream of chat completion chunks.

    The stream ends with `[DONE]`. Some servers never send it, so the input may also end once each choice has a finish
    reason.
    """

    terminal = "a finish reason or [DONE]"
    # Mistral has separate paths for agents and for code completion.
    request_paths = ("/chat/completions", "/agents/completions", "/fim/completions")
    sdk_modules = ("openai", "groq", "mistralai")

    def __init__(self) -> None:
        super().__init__()
        self._text = True
        self._choices: dict[int, _State] = {}
        self._finished: set[int] = set()

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        chunks = decode_lines(_decode_text_chunks, documents)
        if chunks is None:
            return None
        run = text_chunks([chunk.choices[0].delta.content for chunk in chunks], documents, read_metadata)
        self._state(0).text.add_run(run)
        return run

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        try:
            text = _decode_text_chunk(document).choices[0].delta.content
        except DecodeFailure:
            return None
        (self._choices.get(0) or self._state(0)).text.add(text)
        return ChatMessage(text, "assistant", lazy_metadata(document, read_metadata))

    def _state(self, index: int) -> _State:
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _State()
        return state

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        chunk = self._typed(_decode_chunk, document, _Chunk)
        if chunk is None:
            return ()
        messages = self._messages(chunk, document)
        # Text usually arrives in runs, and so do other deltas.
        self._text = len(messages) == 1 and bool(messages[0].text) and messages[0].finish_reason is None
        return messages

    def _messages(self, chunk: _Chunk, document: bytes) -> Sequence[ChatMessage]:
        """Return the chunks of one event: those of each choice, or one with only usage or metadata."""
        raw_usage = chunk.usage
        error = chunk.error
        if chunk.x_groq is not None:
            raw_usage = raw_usage or chunk.x_groq.usage
            error = error or chunk.x_groq.error
        usage = openai_usage(raw_usage) if raw_usage else None
        choices = chunk.choices or ()
        if not error and not choices and usage is None:
            error = error_of(self._parse(document))
        messages: list[ChatMessage] = []
        for position, choice in enumerate(choices):
            last = position == len(choices) - 1
            messages += self._choice(choice, position, document, usage if last else None)
            error = error or choice.error or (choice.delta or choice.message or _NO_DELTA).error
        if error:
            self._error = stream_error(error)
            # An error alone ends the stream; one beside a choice is followed by a chunk with the usage.
            self.ended = not choices
        elif not choices:
            metadata = lazy_metadata(document, read_metadata, 0)
            messages.append(ChatMessage("", "assistant", metadata, usage=usage))
        return messages

    def _choice(
        self, choice: _Choice, position: int, document: bytes, usage: TokenUsage | None
    ) -> Sequence[ChatMessage]:
        """Return the chunks of one choice: one for each item of reasoning details, and one for the rest."""
        index = position if choice.index is None else choice.index
        state = self._state(index)
        delta = choice.delta or choice.message or _NO_DELTA
        text, reasoning, parts = _content(delta.content)
        reasoning += delta.reasoning_content or delta.reasoning or ""
        if choice.delta is None and choice.message is not None:
            # The whole message, of which the deltas may have contained a part.
            text, reasoning = state.text.missing_from(text), state.reasoning.missing_from(reasoning)
        finish = finish_of(choice.finish_reason, FINISH_REASONS)
        if finish.raw:
            self._finished.add(index)
        self._complete = len(self._choices) == len(self._finished)
        details, reasoning = state.details.chunks(delta.reasoning_details or (), reasoning, index)
        state.text.add(text)
        state.reasoning.add(reasoning)
        if delta.annotations:
            parts.append(TextPart("", tuple(delta.annotations)))
        parts.extend(ProviderPart("image", image) for image in delta.images or () if isinstance(image, dict))
        parts += state.executed(delta.executed_tools or (), finished=finish.raw is not None)
        if delta.audio:
            parts.append(ProviderPart("audio", delta.audio))
        metadata = lazy_metadata(document, read_metadata, position)
        if choice.logprobs is not None:
            metadata = dict(metadata)  # log probabilities are joined over all chunks, so they are read now
        message = ChatMessage(
            text,
            "assistant",
            metadata,
            reasoning,
            tool_call_deltas=_tool_call_deltas(delta),
            usage=usage,
            finish_reason=finish.reason,
            provider_finish_reason=finish.raw,
            index=index,
            refusal=delta.refusal or "",
            parts=tuple(parts),
        )
        if details and message == ChatMessage("", "assistant", metadata, index=index):
            details[-1] = msgspec.structs.replace(details[-1], metadata=metadata)
            return details
        return (*details, message)

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        return self._messages(salvage(body, _Chunk, self._unread), msgspec.json.encode(body))


class _State:
    """The content of one choice received so far."""

    def __init__(self) -> None:
        self.text = ReceivedText()
        self.reasoning = ReceivedText()
        self.details = ReasoningDetails()
        self._running: dict[str, dict[str, Any]] = {}

    def executed(self, tools: Sequence[Any], *, finished: bool) -> list[ProviderPart]:
        """Return the tools that the provider has run (Groq), each once: with its output, or when the choice ends."""
        ran: list[ProviderPart] = []
        for tool in tools:
            if isinstance(tool, dict):
                running = self._running.setdefault(as_text(tool.get("index")), {})
                running |= tool
                if "output" in tool:
                    ran.append(ProviderPart("executed_tools", dict(running)))
                    running.clear()
        if finished:
            ran += [ProviderPart("executed_tools", tool) for tool in self._running.values() if tool]
            self._running.clear()
        return ran


def _content(content: Any) -> tuple[str, str, list[Part]]:
    """Return text, reasoning and other parts of a delta's content: a string, a typed part or a list of them."""
    if content is None:
        return "", "", []
    if isinstance(content, str):
        return content, "", []
    text, reasoning, parts = "", "", list[Part]()
    if not isinstance(content, list | dict):
        return as_text(content), "", []
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, dict):
            text += part if isinstance(part, str) else ""
            continue
        match part.get("type"):
            case "text" | "output_text" | None if isinstance(part.get("text"), str | int | float | list | dict):
                text += as_text(part["text"])
            case "thinking" | "reasoning":
                reasoning += as_text(part.get("thinking", part.get("text")))
                if part.get("signature"):
                    parts.append(ReasoningPart("", as_text(part["signature"])))
            case kind:
                parts.append(ProviderPart(as_text(kind), part))
    return text, reasoning, parts


def _tool_call_deltas(delta: _Delta) -> tuple[ToolCallDelta, ...]:
    if delta.tool_calls:
        return tuple(_tool_call_delta(call.index, call.id, call.function or call.custom) for call in delta.tool_calls)
    if delta.function_call is not None:
        return (_tool_call_delta(0, "", delta.function_call),)
    return ()


def _tool_call_delta(index: int | None, id: str | int | None, function: _Function | None) -> ToolCallDelta:  # noqa: A002
    id_ = as_text(id)
    if function is None:
        return ToolCallDelta(index, id_)
    return ToolCallDelta(index, id_, function.name or "", as_json(function.arguments) or function.input or "")


_CHOICE_FIELDS = ("delta", "message", "index", "finish_reason", "error")
_DELTA_FIELDS = {*_Delta.__struct_fields__, "role"}


def read_metadata(document: bytes, position: int, choice_fields: Sequence[str] = _CHOICE_FIELDS) -> dict[str, Any]:
    """Return the metadata of the choice at `position` in a chunk of chat or text completions."""
    chunk = parse_object(document)
    choice = item_at(chunk.get("choices"), position)
    delta = choice.get("delta", choice.get("message")) if isinstance(choice, dict) else None
    return (
        members_without(chunk, ("choices", "usage", "error"))
        | members_without(choice, choice_fields)
        | members_without(delta, _DELTA_FIELDS)
    )


DECODER = OpenAIChatDecoder
