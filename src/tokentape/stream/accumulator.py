"""Folds chunks into the final messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeGuard

import msgspec

from tokentape.errors import DecodeError
from tokentape.finish_reason import FinishReason
from tokentape.message import (
    ChatMessage,
    Part,
    ProviderPart,
    ReasoningPart,
    Role,
    TextPart,
    ToolCall,
)
from tokentape.output import ChatOutput
from tokentape.stream.output_metadata import LOGPROBS, join, joined, merge
from tokentape.stream.tool_call_assembly import OpenCall, ToolCallAssembly
from tokentape.usage import NOTHING, TokenUsage, merged

_Kind = Literal["text", "reasoning", "tool_call", "provider"]


class _Segment:
    """A run of one kind of content in one content block."""

    __slots__ = ("call", "citations", "encrypted", "item", "kind", "phase", "pieces", "provider", "signature")

    def __init__(self, kind: _Kind) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.signature = ""
        self.encrypted = ""
        self.item: dict[str, Any] = {}
        self.phase = ""
        self.citations: list[Any] = []
        self.provider: ProviderPart | None = None
        self.call: OpenCall | None = None

    @property
    def text(self) -> str:
        """The joined pieces; they stay joined, so a repeated read is cheap."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


class _Choice:
    """One choice, as far as it was received."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.role: Role = "assistant"
        self.segments: dict[tuple[_Kind, int | None, int], _Segment] = {}
        self.refusal: list[str] = []
        self.tools = ToolCallAssembly()
        self.metadata: dict[str, Any] = {}
        self.logprobs: dict[str, Any] = {}
        self.finish_reason: FinishReason | None = None
        self.provider_finish_reason: str | None = None
        self.name: str | None = None
        self.tool_call_id: str | None = None

    def segment(self, kind: _Kind, block: int | None, part: int = 0) -> _Segment:
        key = (kind, block, part)
        found = self.segments.get(key)
        if found is None:
            found = self.segments[key] = _Segment(kind)
        return found

    def add_text(self, chunk: ChatMessage) -> None:
        """Add a chunk's content, except for its tool calls, which go through `tools`."""
        if chunk.reasoning:
            self.segment("reasoning", chunk.block).pieces.append(chunk.reasoning)
        if chunk.text:
            self.segment("text", chunk.block).pieces.append(chunk.text)
        if chunk.refusal:
            self.refusal.append(chunk.refusal)
        if chunk.parts:
            self._add_parts(chunk)
        self.role = chunk.role
        self.name = chunk.name or self.name
        self.tool_call_id = chunk.tool_call_id or self.tool_call_id

    def _add_parts(self, chunk: ChatMessage) -> None:
        for part in chunk.parts:
            match part:
                case TextPart():
                    segment = self.segment("text", chunk.block)
                    segment.citations.extend(part.citations)
                    segment.phase = part.phase or segment.phase
                case ReasoningPart():
                    segment = self.segment("reasoning", chunk.block)
                    segment.signature += part.signature
                    segment.encrypted += part.encrypted
                    merge(segment.item, part.item)
                case ProviderPart():
                    self.segment("provider", chunk.block, len(self.segments)).provider = part
                case ToolCall():
                    pass  # taken from the chunk's tool_calls

    def merge_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Merge what was reported about this choice beside its content."""
        merge(self.metadata, {key: value for key, value in metadata.items() if key not in LOGPROBS})
        join(self.logprobs, {key: metadata[key] for key in LOGPROBS if metadata.get(key)})

    def message(self, model: str | None, metadata: dict[str, Any], usage: TokenUsage | None) -> ChatMessage:
        return ChatMessage(
            "".join(segment.text for segment in self.segments.values() if segment.kind == "text"),
            self.role,
            metadata,
            "".join(segment.text for segment in self.segments.values() if segment.kind == "reasoning"),
            self.tools.calls,
            usage=usage,
            finish_reason=self.finish_reason,
            provider_finish_reason=self.provider_finish_reason,
            index=self.index,
            refusal="".join(self.refusal),
            parts=tuple(self._parts()),
            model=model,
            name=self.name,
            tool_call_id=self.tool_call_id,
        )

    def _parts(self) -> Iterable[Part]:
        for segment in self.segments.values():
            if segment.call is not None:
                if not segment.call.copy:
                    yield segment.call.call
            elif segment.provider is not None:
                yield segment.provider
            elif segment.kind == "reasoning":
                if segment.text or segment.signature or segment.encrypted or segment.item:
                    yield ReasoningPart(segment.text, segment.signature, segment.encrypted, segment.item or NOTHING)
            elif segment.text or segment.citations:
                yield TextPart(segment.text, tuple(segment.citations), segment.phase)


class Accumulator:
    """Folds chunks into one message per choice, usage and finish reasons; no I/O, no clock.

    Chunks are folded in order. A chunk that contains more than text goes through `add`, which returns the chunk for
    the reader, with the tool calls that it completes. Other chunks are added many at a time, by `add_texts` or
    `add_run`. `output()` can be called at any time.
    """

    def __init__(self) -> None:
        self._started = False
        self._choices: dict[int, _Choice] = {}
        self._usages: list[TokenUsage] = []
        self._model: str | None = None
        self._metadata: dict[str, Any] = {}

    @property
    def usage(self) -> TokenUsage:
        """Usage as last reported, field by field."""
        if len(self._usages) > 1:
            self._usages[:] = [merged(self._usages)]
        return (self._usages[0] if self._usages else TokenUsage()).with_total()

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the first choice ended."""
        return self._choices[min(self._choices)].finish_reason if self._choices else None

    @property
    def provider_finish_reason(self) -> str | None:
        """The provider's own value for it."""
        return self._choices[min(self._choices)].provider_finish_reason if self._choices else None

    def add(self, chunk: ChatMessage) -> ChatMessage:
        """Add any chunk; return it with the tool calls that it completes."""
        if not has_more_than_text(chunk):
            self.add_texts((chunk,))
            return chunk
        if chunk.usage is not None:
            self._usages.append(chunk.usage)
        chunk = self._add_protocol(chunk)
        self._started = True
        return chunk

    def _add_protocol(self, chunk: ChatMessage) -> ChatMessage:
        """Add a chunk that contains more than text; return it with the tool calls that it completes."""
        self._note_metadata(chunk)
        if not has_content(chunk):
            return chunk
        choice = self._choice(chunk.index)
        choice.add_text(chunk)
        started = len(choice.tools.started)
        new_calls = tuple(call for call in chunk.tool_calls if choice.tools.add_call(call))
        deltas_by_call = [(delta, choice.tools.add_delta(delta)) for delta in chunk.tool_call_deltas]
        for number in range(started, len(choice.tools.started)):
            choice.segment("tool_call", chunk.block, number).call = choice.tools.started[number]
        if chunk.finish_reason is not None:
            choice.finish_reason = chunk.finish_reason
            choice.provider_finish_reason = chunk.provider_finish_reason
            finished = choice.tools.finish()
        else:
            finished = choice.tools.finish([call for delta, call in deltas_by_call if delta.done])
        if finished or len(new_calls) != len(chunk.tool_calls):
            return msgspec.structs.replace(chunk, tool_calls=new_calls + finished)
        return chunk

    def _note_metadata(self, chunk: ChatMessage) -> None:
        if chunk.model is not None and self._model is None:
            self._model = chunk.model
        if chunk.metadata.__class__ is dict or not chunk.tool_call_deltas or not self._started or chunk.finish_reason:
            self._merge_metadata(chunk)

    def _merge_metadata(self, chunk: ChatMessage) -> None:
        metadata = chunk.metadata
        if not metadata:
            return
        merge(self._metadata, {key: value for key, value in metadata.items() if key not in LOGPROBS})
        if has_content(chunk) or any(key in metadata for key in LOGPROBS):
            self._choice(chunk.index).merge_metadata(metadata)

    def _choice(self, index: int) -> _Choice:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice(index)
        return found

    def add_run(self, run: Sequence[ChatMessage], *, reports_usage: bool) -> None:
        """Add chunks of one `TextRun`."""
        first = run[0]
        if not self._started:
            self._started = True
            self._merge_metadata(first)
        text = "".join([chunk.text for chunk in run])
        if text:
            self._choice(0).segment("text", first.block).pieces.append(text)
        if reports_usage:
            self._usages += [chunk.usage for chunk in run if chunk.usage is not None]

    def add_texts(self, chunks: Sequence[ChatMessage]) -> None:
        """Add chunks that have no tool calls, finish reason or model."""
        index, block, role, append = 0, None, None, None
        for chunk in chunks:
            text = chunk.text
            if chunk.usage is not None:
                self._usages.append(chunk.usage)
            if (
                append is None
                or not text
                or chunk.block != block
                or chunk.metadata.__class__ is dict
                or chunk.reasoning
                or chunk.parts
                or chunk.refusal
                or chunk.index != index
                or chunk.role != role
                or chunk.name
                or chunk.tool_call_id
            ):
                index, block, role = chunk.index, chunk.block, chunk.role
                append = self._add_text(chunk)
            else:
                append(text)

    def _add_text(self, chunk: ChatMessage) -> Callable[[str], None] | None:
        """Add a chunk without tool calls, finish reason or model; return where more text of its kind goes."""
        is_content = has_content(chunk)
        if not is_content or chunk.metadata.__class__ is dict or not self._started:
            # Decoders give new metadata as a plain dict; their lazy metadata beside text only repeats.
            self._started = True
            self._merge_metadata(chunk)
        if is_content:
            self._choice(chunk.index).add_text(chunk)
        return self._choice(chunk.index).segment("text", chunk.block).pieces.append if chunk.text else None

    def pieces(self, index: int, kind: Literal["text", "reasoning"], block: int | None) -> list[str]:
        """Return the pieces of a text of a choice so far, to which more of the same block can be appended."""
        return self._choice(index).segment(kind, block).pieces

    def add_usage(self, usage: TokenUsage) -> None:
        """Add usage that was reported beside a piece of text."""
        self._usages.append(usage)

    def finish(self) -> tuple[ChatMessage, ...]:
        """Finish the tool calls that no chunk finished; return a chunk for each choice that had some."""
        closing: list[ChatMessage] = []
        for choice in self._choices.values():
            calls = choice.tools.finish()
            if calls:
                closing.append(ChatMessage(tool_calls=calls, index=choice.index))
        return tuple(closing)

    def output(self, error: BaseException | None = None) -> ChatOutput:
        """Return the output of the chunks added so far."""
        model = self._model
        if model is None:
            reported_model = self._metadata.get("model")
            model = reported_model if isinstance(reported_model, str) else None
        choices = sorted(self._choices.values(), key=lambda choice: choice.index) or [_Choice(0)]
        is_single = len(choices) == 1
        usage = self.usage if self._usages and is_single else None
        metadata = self._metadata | joined(choices[0].logprobs)
        messages = tuple(
            choice.message(
                model, metadata if is_single else self._metadata | choice.metadata | joined(choice.logprobs), usage
            )
            for choice in choices
        )
        return ChatOutput(messages, self.usage, model, error, metadata)


def is_plain_text(chunk: Any) -> TypeGuard[ChatMessage]:
    """Whether a chunk is certainly no more than text, so that it can be folded later, together with others."""
    return (
        chunk.__class__ is ChatMessage
        and chunk.finish_reason is None
        and chunk.model is None
        and not chunk.tool_call_deltas
        and not chunk.tool_calls
        and (chunk.usage is None or chunk.text != "")
    )


def has_more_than_text(chunk: ChatMessage) -> bool:
    """Whether a chunk has more than text, so must be folded at once. Raises `DecodeError` if it is not a chunk."""
    try:
        return bool(
            chunk.tool_call_deltas
            or chunk.finish_reason is not None
            or chunk.tool_calls
            or chunk.model is not None
            # Some formats report usage beside each piece of text: such a chunk still counts as text.
            or (chunk.usage is not None and not (chunk.text or chunk.reasoning))
        )
    except AttributeError:
        raise DecodeError(f"the source gave {type(chunk).__name__}, not ChatMessage: pass chunks") from None


def has_content(chunk: ChatMessage) -> bool:
    """Whether a chunk has content of a choice, not only usage or metadata."""
    return bool(
        chunk.text
        or chunk.reasoning
        or chunk.tool_call_deltas
        or chunk.tool_calls
        or chunk.finish_reason is not None
        or chunk.parts
        or chunk.refusal
        or chunk.name
        or chunk.tool_call_id
        or chunk.role != "assistant"
    )
