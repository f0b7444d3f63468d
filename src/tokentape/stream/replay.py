"""Streams that replay a finished text, message or output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tokentape.message import ChatMessage, Part, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.output import ChatOutput
from tokentape.stream.context import StreamContext
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.usage import TokenUsage


def replay(
    finished: str | ChatMessage | ChatOutput,
    *,
    chunk_size: int | None = None,
    context: StreamContext | None = None,
) -> StreamedChatMessageIterator:
    """Create a stream from a text, a message or an output; the stream's own output equals the argument.

    Text and reasoning are split into chunks of `chunk_size` characters, or stay whole. Tool calls, parts, usage,
    finish reason, model and metadata are kept. The error of an output is raised where the stream broke.
    """
    if isinstance(finished, str):
        finished = ChatMessage(finished, finish_reason="stop")
    if isinstance(finished, ChatMessage):
        usage = finished.usage or TokenUsage()
        finished = ChatOutput((finished,), usage, finished.model, metadata=finished.metadata)
    return StreamedChatMessageIterator(_chunks(finished, chunk_size), context=context)


def _chunks(output: ChatOutput, size: int | None) -> Iterator[ChatMessage]:
    for message in output.messages:
        yield from _message_chunks(message, size)
    usage = None if output.usage == TokenUsage() else output.usage
    metadata: Mapping[str, Any] = output.metadata
    if usage is not None or metadata or output.model is not None:
        yield ChatMessage(metadata=metadata, usage=usage, model=output.model)
    if output.error is not None:
        raise output.error


def _message_chunks(message: ChatMessage, size: int | None) -> Iterator[ChatMessage]:
    role, index = message.role, message.index
    for block, part in enumerate(_complete_parts(message)):
        match part:
            case TextPart():
                for text in _pieces(part.text, size):
                    yield ChatMessage(text, role, index=index, block=block)
                if part.citations or part.phase:
                    yield ChatMessage("", role, index=index, block=block, parts=(_without_text(part),))
            case ReasoningPart():
                for text in _pieces(part.text, size):
                    yield ChatMessage("", role, reasoning=text, index=index, block=block)
                if part.signature or part.encrypted or part.item:
                    yield ChatMessage("", role, index=index, block=block, parts=(_without_text(part),))
            case ToolCall():
                yield ChatMessage("", role, tool_calls=(part,), index=index, block=block)
            case ProviderPart():
                yield ChatMessage("", role, index=index, block=block, parts=(part,))
    yield ChatMessage(
        "",
        role,
        index=index,
        refusal=message.refusal,
        finish_reason=message.finish_reason,
        provider_finish_reason=message.provider_finish_reason,
        name=message.name,
        tool_call_id=message.tool_call_id,
    )


def _complete_parts(message: ChatMessage) -> list[Part]:
    """Return the parts of a message, with parts added or replaced where they disagree with its other fields."""
    parts: list[Part] = list(message.parts)
    if "".join(part.text for part in parts if isinstance(part, TextPart)) != message.text:
        parts = [_without_text(part) if isinstance(part, TextPart) else part for part in parts]
        parts.insert(0, TextPart(message.text))
    if "".join(part.text for part in parts if isinstance(part, ReasoningPart)) != message.reasoning:
        parts = [_without_text(part) if isinstance(part, ReasoningPart) else part for part in parts]
        parts.insert(0, ReasoningPart(message.reasoning))
    if tuple(part for part in parts if isinstance(part, ToolCall)) != message.tool_calls:
        parts = [*(part for part in parts if not isinstance(part, ToolCall)), *message.tool_calls]
    return parts


def _without_text(part: TextPart | ReasoningPart) -> TextPart | ReasoningPart:
    return msgspec.structs.replace(part, text="")


def _pieces(text: str, size: int | None) -> Iterator[str]:
    step = max(size or len(text), 1)
    for start in range(0, len(text), step):
        yield text[start : start + step]
