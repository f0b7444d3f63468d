"""The decoder that both versions of Cohere's chat share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, ProviderPart
from tokentape.usage import TokenUsage
from tokentape.wires.event_decoder import EventDecoder
from tokentape.wires.finish import finish_of
from tokentape.wires.json_document import as_mapping
from tokentape.wires.openai_usage import count, first
from tokentape.wires.stream_error import stream_error

FINISH_REASONS: Mapping[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "TIMEOUT": "error",
}


class CohereDecoder(EventDecoder):
    """Collects the tool plan, and builds the last chunk and errors.

    A tool plan becomes a `ProviderPart` of kind `tool_plan` when it is complete.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plan: list[str] = []

    def _end_plan(self) -> Sequence[ChatMessage]:
        plan = "".join(self._plan)
        self._plan.clear()
        return (ChatMessage(parts=(ProviderPart("tool_plan", {"tool_plan": plan}),)),) if plan else ()

    def end(self) -> Iterable[ChatMessage]:
        """Finish decoding at the end of the input."""
        yield from self._end_plan()
        yield from super().end()

    def _fail(self, error: Any, document: bytes) -> None:
        self._error = failed = stream_error(error)
        failed.body = self._parse(document)
        self.ended = True


def last_chunk(reason: str | None, usage: Mapping[str, Any] | None, metadata: Mapping[str, Any]) -> ChatMessage:
    """Return the chunk with the finish reason and the usage."""
    finish = finish_of(reason, FINISH_REASONS)
    return ChatMessage(
        "",
        "assistant",
        metadata,
        usage=_usage(usage) if usage else None,
        finish_reason=finish.reason,
        provider_finish_reason=finish.raw,
    )


def _usage(raw: Mapping[str, Any]) -> TokenUsage:
    """Read `usage` (`meta` in version 1): `tokens` counts all tokens, `billed_units` those that are charged.

    The input includes cached tokens, the output includes reasoning tokens. Billed units are used without `tokens`.
    """
    tokens, billed = as_mapping(raw.get("tokens")), as_mapping(raw.get("billed_units"))
    return TokenUsage(
        first(count(tokens, "input_tokens"), count(billed, "input_tokens")),
        first(count(tokens, "output_tokens"), count(billed, "output_tokens")),
        None,
        first(count(raw, "cached_tokens"), count(tokens, "cached_tokens")),
        None,
        count(tokens, "reasoning_tokens"),
        raw,
    )
