"""Why a choice has ended, in one notion over all wires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, ProviderPart
from tokentape.wires.json_document import as_text

_NO_WORDS = ("", "null", "none")


class Finish(NamedTuple):
    """A finish reason, and the provider's own word for it; both None while the choice goes on."""

    reason: FinishReason | None
    word: str | None


def finish_of(word: Any, reasons: Mapping[str, FinishReason]) -> Finish:
    """The finish that the provider's word says, in any case of letters; some servers write null as text."""
    said = as_text(word)
    if said.lower() in _NO_WORDS:
        return Finish(None, None)
    return Finish(reasons.get(said) or reasons.get(said.lower()) or reasons.get(said.upper()) or "other", said)


class _Ending:
    """What is known of how one choice ends."""

    def __init__(self) -> None:
        self.called = False
        self.refused = False
        self.finish = Finish(None, None)

    def of(self, chunk: ChatMessage) -> Finish:
        """The finish that a chunk tells: that of the provider, or what the content makes of it."""
        awaits = any(isinstance(part, ProviderPart) and part.awaits_result for part in chunk.parts)
        self.called = self.called or awaits or bool(chunk.tool_call_deltas or chunk.tool_calls)
        self.refused = self.refused or bool(chunk.refusal)
        if chunk.finish_reason is not None:
            self.finish = Finish(chunk.finish_reason, chunk.provider_finish_reason)
        reason, word = self.finish
        told = Finish("tool_calls" if self.called else "refusal" if self.refused else reason, word)
        if reason not in ("stop", "other") or told == self.finish:
            return Finish(chunk.finish_reason, chunk.provider_finish_reason)
        self.finish = told
        return told


class Endings:
    """Tells calls and refusals as such, whatever word the provider ends a choice with."""

    def __init__(self) -> None:
        self._choices: dict[int, _Ending] = {}

    def told(self, chunks: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """The chunks of one event, with the finish reason that holds over all wires."""
        for chunk in chunks:
            if chunk.finish_reason is not None or chunk.tool_call_deltas or chunk.parts or chunk.refusal:
                return [self._told(each) for each in chunks]
        return chunks

    def _told(self, chunk: ChatMessage) -> ChatMessage:
        ending = self._choices.get(chunk.index)
        if ending is None:
            ending = self._choices[chunk.index] = _Ending()
        finish = ending.of(chunk)
        if finish.reason == chunk.finish_reason:
            return chunk
        return msgspec.structs.replace(chunk, finish_reason=finish.reason, provider_finish_reason=finish.word)
