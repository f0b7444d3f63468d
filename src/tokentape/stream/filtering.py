"""Applies filters to the chunks of a stream."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Final, Literal

from msgspec.structs import replace

from tokentape.arguments import require_callable
from tokentape.errors import ConfigurationError
from tokentape.filters.text_filter import FilterFactory, StopStream
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.accumulator import Accumulator, has_content, has_more_than_text, is_plain_text
from tokentape.stream.chunk_metadata import lazy_metadata
from tokentape.stream.closing import close_iterator
from tokentape.stream.filtered_text import FilteredChoice, FilteredField, FilteredText, only_texts
from tokentape.stream.output_metadata import copy_without_tokens, without_tokens
from tokentape.stream.started_iterator import StartedIterator
from tokentape.text_run import TextRun
from tokentape.usage import TokenUsage, merged

FIELDS: tuple[FilteredField, ...] = ("text", "reasoning", "refusal")

Item = ChatMessage | TextRun


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
        self._choices: dict[int, FilteredChoice] = {}
        # Until the first change nothing is folded: what was received is what is shown.
        self._received = Accumulator()
        self._unfolded: list[Item] = []

    def unfiltered(self, error: BaseException | None = None) -> ChatOutput:
        """Return the output of all that was received, as the provider sent it."""
        self._fold()
        return self._received.output(error)

    def feed(self, item: Item) -> Item | tuple[ChatMessage, ...]:
        """Return what is shown of an item: the item or a changed chunk, or any number of chunks."""
        if item.__class__ is ChatMessage:
            chunk, received = item, item.text
        elif isinstance(item, TextRun) and not item.reports_usage:
            chunk, received = item[0], "".join([chunk.text for chunk in item])
        else:
            return self._feed_any(item)
        choice = self._choices.get(chunk.index, _UNKNOWN)
        if received:
            text = None if chunk.reasoning else choice.text
        else:
            received, text = chunk.reasoning, choice.reasoning
        if (
            text is None
            or not received
            or chunk.block is not text.block
            or chunk.role is not choice.role
            or chunk.finish_reason is not None
            or chunk.metadata.__class__ is dict
            or chunk.tool_call_deltas
            or chunk.tool_calls
            or chunk.parts
            or chunk.refusal
            or chunk.model is not None
            or chunk.name is not None
            or chunk.tool_call_id is not None
        ):
            return self._feed_any(item)
        # Most of a stream: more of one text.
        text.last = chunk
        if not self.changed:
            self._unfolded.append(item)
        else:
            text.record(received)
            if chunk.usage is not None:
                self._received.add_usage(chunk.usage)
        try:
            shown = text.feed(received)
        except StopStream as stop:
            self._note_change()
            return tuple(self._ended(_joined(item), {text.field: text.stop(stop)}))
        if shown is received:
            return item
        if shown.__class__ is not str:
            text.require(shown)
        if shown == received:
            return item
        if not self.changed:
            self._note_change()
        if not shown and chunk.usage is None:
            return ()
        metadata = lazy_metadata(chunk.metadata, copy_without_tokens)
        if text.field == "text":
            return replace(chunk, text=shown, metadata=metadata)
        return replace(chunk, reasoning=shown, metadata=metadata)

    def close(self) -> list[ChatMessage]:
        """Return what the filters hold, as the source has ended."""
        indexes = sorted(index for index, choice in self._choices.items() if not choice.stopped)
        held = [chunk for index in indexes for chunk in self._ended(ChatMessage(index=index), {})]
        if held:
            self._note_change()
        return held

    def _feed_any(self, item: Item) -> Item | tuple[ChatMessage, ...]:
        if not isinstance(item, TextRun):
            has_more_than_text(item)  # raises if it is no chunk
        self._unfolded.append(item)
        if self.changed:
            self._fold()
        chunk = _joined(item)
        shown = self._filtered(chunk)
        is_unchanged = bool(shown) and shown[0] is chunk
        if not is_unchanged and not self.changed:
            self._note_change()
        choice = self._choices[chunk.index]
        if choice.goes_on and has_content(chunk):
            self._note_place(choice, chunk)
        return item if is_unchanged else tuple(shown)

    def _note_place(self, choice: FilteredChoice, chunk: ChatMessage) -> None:
        """Note what more of the same texts will look like, and where it is recorded."""
        choice.role = chunk.role
        if chunk.role == "tool":  # what follows may end its result
            choice.text = choice.reasoning = None
            return
        fields: tuple[Literal["text", "reasoning"], ...] = ("text", "reasoning")
        for field in fields:
            text = choice.texts.get((field, None))
            if text is not None and getattr(chunk, field):
                setattr(choice, field, text)
                text.block = chunk.block
                if self.changed:
                    text.record = self._received.pieces(chunk.index, field, chunk.block).append

    def _filtered(self, chunk: ChatMessage) -> list[ChatMessage]:
        choice = self._choices.get(chunk.index)
        if choice is None:
            choice = self._choices[chunk.index] = FilteredChoice()
        if choice.stopped:
            return [] if has_content(chunk) else [chunk]
        changed: dict[str, str] = {}
        stopped = False
        held: list[ChatMessage] = []
        if chunk.role != "tool" and has_content(chunk):
            held, stopped = choice.end_results()
            if stopped:
                return [*held, *self._ended(chunk, dict.fromkeys(FIELDS, ""))]
        for field in self.fields:
            received = getattr(chunk, field)
            if received:
                key = field, _result_id(chunk)
                text = choice.texts.get(key)
                if text is None:
                    text = choice.texts[key] = FilteredText(field, [factory() for factory in self.factories])
                text.last = chunk
                shown = text.shown(received)
                stopped = stopped or text.stopped is not None
                if shown != received:
                    changed[field] = shown
        if stopped or chunk.finish_reason is not None:
            return [*held, *self._ended(chunk, changed)]
        choice.goes_on = True
        if changed:
            chunk = _with_texts(chunk, **changed)
        return held if changed and _is_empty(chunk) else [*held, chunk]

    def _ended(self, chunk: ChatMessage, changed: dict[str, str]) -> list[ChatMessage]:
        """Return the last chunk of a choice, and what is held of it, in the block that it came from."""
        choice = self._choices[chunk.index]
        held: list[ChatMessage] = []
        reason: FinishReason | None = None
        result_id = _result_id(chunk)
        for (field, text_of), text in choice.texts.items():
            rest = text.close()
            reason = reason or text.stopped
            if rest and text_of == result_id and getattr(chunk, field):
                changed[field] = changed.get(field, getattr(chunk, field)) + rest
            elif rest:
                held.append(only_texts(text.last, {field: rest}))
        if reason is not None:
            texts: dict[str, str] = {field: getattr(chunk, field) for field in FIELDS}
            texts |= changed
            chunk = replace(only_texts(chunk, texts), finish_reason=reason, usage=chunk.usage)
            choice.stopped = True
        elif changed:
            chunk = _with_texts(chunk, **changed)
        choice.goes_on, choice.text, choice.reasoning = False, None, None
        every = self._choices.values()
        self.stopped = any(each.stopped for each in every) and not any(each.goes_on for each in every)
        return [*held, chunk] if has_content(chunk) else held

    def _note_change(self) -> None:
        self.changed = True
        self._fold()
        for choice in self._choices.values():
            choice.text = choice.reasoning = None

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


_UNKNOWN: Final = FilteredChoice()


def _result_id(chunk: ChatMessage) -> str | None:
    """The tool call whose result this is: that is a text of its own."""
    return chunk.tool_call_id if chunk.role == "tool" else None


def _is_empty(chunk: ChatMessage) -> bool:
    return chunk.usage is None and chunk.metadata.__class__ is not dict and not has_content(chunk)


def _with_texts(chunk: ChatMessage, **texts: str) -> ChatMessage:
    """Return a chunk with other texts, without the tokens in its metadata, which spell what is not shown."""
    return replace(chunk, metadata=without_tokens(chunk.metadata), **texts)


def _joined(run: Item) -> ChatMessage:
    if not isinstance(run, TextRun):
        return run
    return replace(run[0], text="".join([chunk.text for chunk in run]), usage=_usage(run))


def _usage(run: TextRun) -> TokenUsage | None:
    usages = [chunk.usage for chunk in run if chunk.usage is not None] if run.reports_usage else []
    return merged(usages) if usages else None


def filtered(source: Iterable[Item], stream_filter: StreamFilter) -> Iterator[Item]:
    """Iterate what a filter shows of a source; what it holds is shown at the end, also where the source breaks."""
    feed = stream_filter.feed
    is_reading = True  # an error is the source's, not a filter's
    try:
        for item in source:
            is_reading = False
            shown = feed(item)
            is_reading = True
            if not isinstance(shown, tuple):
                yield shown
                continue
            yield from shown
            if stream_filter.stopped:
                return
    except Exception:
        if is_reading:
            yield from stream_filter.close()
        raise
    yield from stream_filter.close()


async def afiltered(source: AsyncIterable[Item], stream_filter: StreamFilter) -> AsyncIterator[Item]:
    """`filtered` for an async source, whose iterator is closed at the end."""
    items = aiter(source)
    feed = stream_filter.feed
    is_reading = True
    try:
        async for item in StartedIterator(items):
            is_reading = False
            shown = feed(item)
            is_reading = True
            if not isinstance(shown, tuple):
                yield shown
                continue
            for chunk in shown:
                yield chunk
            if stream_filter.stopped:
                return
    except Exception:
        if is_reading:
            for held in stream_filter.close():
                yield held
        raise
    else:
        for held in stream_filter.close():
            yield held
    finally:
        await close_iterator(items, source)
