"""Finish reasons: the same ones for all wire formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, ProviderPart
from tokentape.wires.json_document import as_text

_NO_REASON = ("", "null", "none")


class Finish(NamedTuple):
    """A finish reason, and the provider's own value for it; both None until the choice ends."""

    reason: FinishReason | None
    raw: str | None


def finish_of(raw: Any, reasons: Mapping[str, FinishReason]) -> Finish:
    """Return the finish for a provider's value, in upper or lower case; some servers write null as text."""
    text = as_text(raw)
    if text.lower() in _NO_REASON:
        return Finish(None, None)
    return Finish(reasons.get(text) or reasons.get(text.lower()) or reasons.get(text.upper()) or "other", text)


class _ChoiceFinish:
    """How one choice ends, as far as it is known."""

    def __init__(self) -> None:
        self.has_calls = False
        self.has_refusal = False
        self.finish = Finish(None, None)

    def update(self, chunk: ChatMessage) -> Finish:
        """Return the finish to report in a chunk: the provider's, or the one that follows from the content."""
        awaits = any(isinstance(part, ProviderPart) and part.awaits_result for part in chunk.parts)
        self.has_calls = self.has_calls or awaits or bool(chunk.tool_call_deltas or chunk.tool_calls)
        self.has_refusal = self.has_refusal or bool(chunk.refusal)
        if chunk.finish_reason is not None:
            self.finish = Finish(chunk.finish_reason, chunk.provider_finish_reason)
        reason, raw = self.finish
        normalized = Finish("tool_calls" if self.has_calls else "refusal" if self.has_refusal else reason, raw)
        if reason not in ("stop", "other") or normalized == self.finish:
            return Finish(chunk.finish_reason, chunk.provider_finish_reason)
        self.finish = normalized
        return normalized


class FinishReasons:
    """Gives choices with tool calls or a refusal these finish reasons, whatever the provider reports."""

    def __init__(self) -> None:
        self._choices: dict[int, _ChoiceFinish] = {}

    def normalize(self, chunks: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """Return the chunks of one event with normalized finish reasons."""
        for chunk in chunks:
            if chunk.finish_reason is not None or chunk.tool_call_deltas or chunk.parts or chunk.refusal:
                return [self._normalize(each) for each in chunks]
        return chunks

    def _normalize(self, chunk: ChatMessage) -> ChatMessage:
        state = self._choices.get(chunk.index)
        if state is None:
            state = self._choices[chunk.index] = _ChoiceFinish()
        finish = state.update(chunk)
        if finish.reason == chunk.finish_reason:
            return chunk
        return msgspec.structs.replace(chunk, finish_reason=finish.reason, provider_finish_reason=finish.raw)
