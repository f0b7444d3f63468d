"""The texts of a stream that are filtered, each with the state of its filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tokentape.filters.text_filter import FilterChain, StopStream, TextFilter
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, Role
from tokentape.usage import NOTHING

FilteredField = Literal["text", "reasoning", "refusal"]
"""A field of a chunk that has text for readers."""


class FilteredText:
    """One text with its filters, and the last chunk that had some of it.

    `feed` is that of its filters, or of the only one. `stopped` is the finish reason once one of them has stopped the
    stream. `record` takes what is received of it, in the same block, once that is not what is shown.
    """

    record: Callable[[str], None]

    def __init__(self, field: FilteredField, filters: Sequence[TextFilter]) -> None:
        self._chain = FilterChain(filters)
        self.feed = filters[0].feed if len(filters) == 1 else self._chain.feed
        self.field = field
        self.last = ChatMessage()
        self.block: int | None = None
        self.stopped: FinishReason | None = None

    def shown(self, received: str) -> str:
        """Return what is shown of a piece."""
        try:
            return self.require(self.feed(received))
        except StopStream as stop:
            return self.stop(stop)

    def require(self, shown: Any) -> str:
        """Return what `feed` gave, if that is text. Raises ConfigurationError."""
        return self._chain.require_text(shown, "feed()")

    def stop(self, stop: StopStream) -> str:
        """Note that `feed` has stopped the stream; return the last text that is shown."""
        self.stopped = stop.finish_reason
        return self._chain.require_text(stop.text, "StopStream()")

    def close(self) -> str:
        """Return what the filters hold, if none of them has stopped the stream."""
        if self.stopped is not None:
            return ""
        try:
            return self._chain.close()
        except StopStream as stop:
            return self.stop(stop)


class FilteredChoice:
    """The texts of a choice; `text` and `reasoning` are those of them that go on."""

    def __init__(self) -> None:
        # The result of a tool call is a text of its own.
        self.texts: dict[tuple[FilteredField, str | None], FilteredText] = {}
        self.text: FilteredText | None = None
        self.reasoning: FilteredText | None = None
        self.role: Role | None = None  # of what was received last, beside mere text
        self.goes_on = False
        self.stopped = False

    def end_results(self) -> tuple[list[ChatMessage], bool]:
        """End the results of tools, as the model goes on only when it has all of them; return what was held of them,
        and whether that stopped the stream.
        """
        held: list[ChatMessage] = []
        for key, text in [*self.texts.items()]:
            if key[1] is not None:
                rest = text.close()
                if rest:
                    held.append(only_texts(text.last, {text.field: rest}))
                if text.stopped is not None:
                    return held, True
                del self.texts[key]
        return held, False


def only_texts(chunk: ChatMessage, texts: Mapping[str, str]) -> ChatMessage:
    """Return a chunk of the same message with these texts alone; a tool's result still tells whether it is an error."""
    return ChatMessage(
        role=chunk.role,
        metadata=chunk.metadata if chunk.role == "tool" else NOTHING,
        index=chunk.index,
        block=chunk.block,
        name=chunk.name,
        tool_call_id=chunk.tool_call_id,
        **texts,  # type: ignore[arg-type]
    )
