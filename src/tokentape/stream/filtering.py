"""Applies filters to the chunks of a stream."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from tokentape.arguments import require_callable
from tokentape.errors import ConfigurationError
from tokentape.filters.text_filter import FilterChain, FilterFactory
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.accumulator import Accumulator, has_content, has_more_than_text, is_plain_text
from tokentape.stream.closing import close_iterator
from tokentape.stream.output_metadata import without_tokens
from tokentape.text_run import TextRun

FilteredField = Literal["text", "reasoning", "refusal"]
"""A field of a chunk that has text for readers."""

FIELDS: tuple[FilteredField, ...] = ("text", "reasoning", "refusal")

Item = ChatMessage | TextRun

# How many chunks are folded at a time: what they were changed to takes their memory, which is still in the cache.
_UNFOLDED = 32


class StreamFilter:
    """The filters of one stream: each field of each choice is a text of its own.

    `stopped` once a filter has stopped the stream, and no choice goes on. `changed` once what is shown is not what
    was received.
    """

    def __init__(self, factories: Sequence[FilterFactory], fields: Sequence[FilteredField]) -> None:
        for factory in factories:
            require_callable(factory, "filter()", "no arguments, and returns a TextFilter")
        if not factories or not fields or not set(fields) <= set(FIELDS):
            raise ConfigurationError(f"filter() needs filters, and fields of {', '.join(FIELDS)}")
        self.factories = tuple(factories)
        self.fields = tuple(dict.fromkeys(fields))
        self.stopped = False
        self.changed = False
        self._received = Accumulator()
        self._unfolded: list[Item] = []
        # The result of a tool call is a text of its own.
        self._texts: dict[tuple[int, FilteredField, str | None], _Text] = {}
        # The choices that go on, with their texts; `None` where the text is not filtered.
        self._open: dict[int, _Text | None] = {}
        self._stopped_choices: set[int] = set()

    def unfiltered(self, error: BaseException | None = None) -> ChatOutput:
        """Return the output of all that was received, as the provider sent it."""
        self._fold()
        return self._received.output(error)

    def _fold(self) -> None:
        items, self._unfolded = self._unfolded, []
        texts: list[ChatMessage] = []  # successive ones are folded at once
        for item in items:
            if is_plain_text(item):
                texts.append(item)
                continue
            self._received.add_texts(texts)
            texts.clear()
            if isinstance(item, TextRun):
                self._received.add_run(item, reports_usage=item.reports_usage)
            else:
                self._received.add(item)
        self._received.add_texts(texts)

    def feed(self, item: Item) -> Item | tuple[ChatMessage, ...]:
        """Return what is shown of an item: the item or a changed chunk, or any number of chunks."""
        self._unfolded.append(item)
        if type(item) is ChatMessage:
            chunk, received = item, item.text
        elif isinstance(item, TextRun):
            chunk, received = item[0], "".join([chunk.text for chunk in item])
        else:
            has_more_than_text(item)  # raises if it is no chunk
            chunk, received = item, item.text
        text = self._open.get(chunk.index)
        if (
            text is None
            or not received
            or chunk.reasoning
            or chunk.refusal
            or chunk.finish_reason is not None
            or chunk.tool_call_id is not None
        ):
            joined = _joined(item)
            shown = self._filtered(joined)
            if shown and shown[0] is joined:
                return item
        else:  # most of a stream
            text.last = chunk
            shown_text = text.feed(received)
            if text.chain.stopped is not None:
                shown = self._ended(_joined(item), {"text": shown_text})
            elif shown_text == received:
                return item
            else:
                self.changed = True
                if len(self._unfolded) > _UNFOLDED:
                    self._fold()
                if chunk is not item:
                    chunk = _joined(item)
                # As `_with_texts` does, in a quarter of its time.
                chunk = msgspec.structs.replace(chunk, text=shown_text, metadata=without_tokens(chunk.metadata))
                return chunk if shown_text or not _is_empty(chunk) else ()
        self.changed = True
        return tuple(shown)

    def close(self) -> list[ChatMessage]:
        """Return what the filters hold, as the source has ended."""
        indexes = {index for index, _, _ in self._texts} - self._stopped_choices
        held = [chunk for index in sorted(indexes) for chunk in self._ended(ChatMessage(index=index), {})]
        self.changed = self.changed or bool(held)
        return held

    def _filtered(self, chunk: ChatMessage) -> list[ChatMessage]:
        index, stopped = chunk.index, False
        changed: dict[str, str] = {}
        if index in self._stopped_choices:
            return [] if has_content(chunk) else [chunk]
        for field in self.fields:
            received = getattr(chunk, field)
            if received:
                text = self._text(index, field, chunk.tool_call_id)
                text.last = chunk
                shown = text.chain.feed(received)
                stopped = stopped or text.chain.stopped is not None
                if shown != received:
                    changed[field] = shown
        if stopped or chunk.finish_reason is not None:
            return self._ended(chunk, changed)
        self._open[index] = self._texts.get((index, "text", None))
        if changed:
            chunk = _with_texts(chunk, **changed)
        return [] if changed and _is_empty(chunk) else [chunk]

    def _ended(self, chunk: ChatMessage, changed: dict[str, str]) -> list[ChatMessage]:
        """Return the last chunk of a choice, and what is held of it, in the block that it came from."""
        held: list[ChatMessage] = []
        reason: FinishReason | None = None
        for (index, field, tool_call_id), text in self._texts.items():
            if index != chunk.index:
                continue
            rest = text.chain.close()
            reason = reason or text.chain.stopped
            if rest and tool_call_id == chunk.tool_call_id and getattr(chunk, field):
                changed[field] = changed.get(field, getattr(chunk, field)) + rest
            elif rest:
                held.append(_only_texts(text.last, {field: rest}))
        if reason is not None:
            texts: dict[str, str] = {field: getattr(chunk, field) for field in FIELDS}
            texts |= changed
            chunk = msgspec.structs.replace(_only_texts(chunk, texts), finish_reason=reason, usage=chunk.usage)
            self._stopped_choices.add(chunk.index)
        elif changed:
            chunk = _with_texts(chunk, **changed)
        self._open.pop(chunk.index, None)
        self.stopped = bool(self._stopped_choices) and not self._open
        return [*held, chunk] if has_content(chunk) else held

    def _text(self, index: int, field: FilteredField, tool_call_id: str | None) -> _Text:
        text = self._texts.get((index, field, tool_call_id))
        if text is None:
            text = self._texts[index, field, tool_call_id] = _Text(
                FilterChain([factory() for factory in self.factories])
            )
        return text


class _Text:
    """The filters of one text, and the last chunk that had some of it."""

    __slots__ = ("chain", "feed", "last")

    def __init__(self, chain: FilterChain) -> None:
        self.chain = chain
        self.feed = chain.feed
        self.last = ChatMessage()


def _is_empty(chunk: ChatMessage) -> bool:
    return chunk.usage is None and chunk.metadata.__class__ is not dict and not has_content(chunk)


def _with_texts(chunk: ChatMessage, **texts: str) -> ChatMessage:
    """Return a chunk with other texts, without the tokens in its metadata, which spell what is not shown."""
    return msgspec.structs.replace(chunk, metadata=without_tokens(chunk.metadata), **texts)


def _only_texts(chunk: ChatMessage, texts: Mapping[str, str]) -> ChatMessage:
    return ChatMessage(
        role=chunk.role,
        index=chunk.index,
        block=chunk.block,
        name=chunk.name,
        tool_call_id=chunk.tool_call_id,
        **texts,  # type: ignore[arg-type]
    )


def _joined(run: Item) -> ChatMessage:
    if not isinstance(run, TextRun):
        return run
    usage = next((chunk.usage for chunk in reversed(run) if chunk.usage is not None), None)
    return msgspec.structs.replace(run[0], text="".join([chunk.text for chunk in run]), usage=usage)


def filtered(source: Iterable[Item], stream_filter: StreamFilter) -> Iterator[Item]:
    """Iterate what a filter shows of a source; what it holds is shown at the end, also where the source breaks."""
    items = iter(source)
    while not stream_filter.stopped:
        try:
            item = next(items, None)
        except Exception:
            yield from stream_filter.close()
            raise
        if item is None:
            yield from stream_filter.close()
            return
        shown = stream_filter.feed(item)
        if isinstance(shown, tuple):
            yield from shown
        else:
            yield shown


async def afiltered(source: AsyncIterable[Item], stream_filter: StreamFilter) -> AsyncIterator[Item]:
    """`filtered` for an async source, whose iterator is closed at the end."""
    items = aiter(source)
    try:
        while not stream_filter.stopped:
            try:
                item = await anext(items, None)
            except Exception:
                for held in stream_filter.close():
                    yield held
                raise
            if item is None:
                for held in stream_filter.close():
                    yield held
                return
            shown = stream_filter.feed(item)
            if isinstance(shown, tuple):
                for chunk in shown:
                    yield chunk
            else:
                yield shown
    finally:
        await close_iterator(items, source)
