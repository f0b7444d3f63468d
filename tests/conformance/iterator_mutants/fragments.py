"""Broken between the decoder and the reader: tool calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tests.conformance.iterator_mutants.chunks import Changed
from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, ToolCallDelta

replace = msgspec.structs.replace


class Fragments(Changed):
    """The fragments of tool calls are changed."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        deltas = tuple(self.fragment(delta) for delta in chunk.tool_call_deltas)
        return replace(chunk, tool_call_deltas=deltas)

    def fragment(self, delta: ToolCallDelta) -> ToolCallDelta:
        """A fragment."""
        return delta


def fragments(
    name: str, fault: str, change: Callable[[ToolCallDelta], ToolCallDelta], *cases: str, wire: str = "openai_chat"
) -> None:
    """A mutant that changes each fragment."""

    class Changed(Fragments):
        def fragment(self, delta: ToolCallDelta) -> ToolCallDelta:
            return change(delta)

    Changed.__name__, Changed.__doc__ = name, fault
    broken(*cases, wire=wire)(Changed)


fragments(
    "GoesToTheLastCall",
    "A fragment goes to the call that began last, whatever its index.",
    lambda delta: delta if delta.id else replace(delta, index=None),
    "tool-calls/interleaved",
)
fragments(
    "IdBeginsACall",
    "Every id begins a new call.",
    lambda delta: replace(delta, index=None, id=f"{delta.id} {id(delta)}") if delta.id else delta,
    "tool-calls/id-on-every-fragment",
    "tool-calls/id",
)
fragments(
    "IndexIsAll",
    "What has the same index is the same call, whatever its id.",
    lambda delta: replace(delta, id=""),
    "tool-calls/all-numbered-zero",
    "tool-calls/id",
)
fragments(
    "DropsCallIds",
    "The ids of calls are lost.",
    lambda delta: replace(delta, id="", index=delta.index),
    "tool-calls/id",
)
fragments(
    "DropsArguments",
    "Calls lose their arguments.",
    lambda delta: replace(delta, arguments=""),
    "tool-calls/one",
    "tool-calls/several",
    "tool-calls/values",
    "tool-calls/large",
    "tool-calls/invalid-json",
    "choices/tool-calls",
)


@broken("tool-calls/fragments", "tool-calls/large", "tool-calls/interleaved", "tool-calls/id-on-every-fragment")
class LastFragmentWins(Ground):
    """Of a call's fragments only the first and the last are kept."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        number = 0
        for chunk in chunks:
            number += bool(chunk.tool_call_deltas)
            yield replace(chunk, tool_call_deltas=()) if number in (3, 4) and chunk.tool_call_deltas else chunk


@broken("tool-calls/several", "tool-calls/id", "callbacks/tool-calls")
class FirstCallOnly(Fragments):
    """Calls after the first are dropped."""

    def changed(self, chunk: ChatMessage) -> ChatMessage | None:
        return replace(chunk, tool_call_deltas=tuple(delta for delta in chunk.tool_call_deltas if not delta.index))


@broken("tool-calls/beside-text", "tool-calls/once-across-chunks")
class TextOrCalls(Ground):
    """An answer that has text has no calls."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        text = ""
        for chunk in chunks:
            text += chunk.text
            yield replace(chunk, tool_call_deltas=(), tool_calls=()) if text else chunk


@broken("tool-calls/repeated", wire="gemini")
class CountsRepeatedCalls(Ground):
    """A call that comes twice is two calls."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        for number, chunk in enumerate(chunks):
            calls = tuple(replace(call, id=f"{call.id}-{number}") for call in chunk.tool_calls)
            deltas = tuple(replace(delta, id=f"{delta.id}-{number}") for delta in chunk.tool_call_deltas)
            yield replace(chunk, tool_calls=calls, tool_call_deltas=deltas)


@broken("tool-calls/cut-off", "tool-calls/invalid-json", "tool-calls/no-arguments")
class RaisesForInvalidArguments(Ground):
    """Arguments that are no JSON raise a JSON error, when the finish reason comes and at the end."""

    def message_tool_calls(self, message: ChatMessage) -> Any:
        import json

        for call in message.tool_calls:
            json.loads(call.raw_arguments)
        return super().message_tool_calls(message)
