"""The decoder that formats share which are a sequence of JSON documents."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from tokentape.errors import DecodeError, ProviderError, TruncatedStreamError, UnknownWireError
from tokentape.framing.sse import SSEFraming, parse_event
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.text_run import TextRun
from tokentape.usage import NOTHING
from tokentape.wires.json_document import parse_document

EventT = TypeVar("EventT")

# How many events are taken for text at first and at most: those before something else are decoded twice.
_FIRST = 16
_MOST = 256


class Framing(Protocol):
    """Cuts bytes into the documents of events."""

    @property
    def rest(self) -> bytes:
        """What was fed and does not belong to a whole event."""

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the documents that end in `data`."""


class EventDecoder(abc.ABC):
    """Decodes a stream of JSON documents; a wire format adds `_decode`, and says when it has ended.

    `_decode(document)` returns the chunks of one event. It sets `ended` at the terminal event, `_complete` once the
    input may end without one, and `_error` at an error event. `_decode_text` may do many events of text at once.
    """

    framing: ClassVar[type[Framing]] = SSEFraming
    terminal: ClassVar[str] = "its terminal event"
    usage_beside_text: ClassVar[bool] = False

    def __init__(self) -> None:
        self.ended = False
        self.raw_events: list[bytes] | None = None
        self._framing = self.framing()
        self._complete = False
        self._text = False
        self._cut = False
        self._error: ProviderError | None = None
        self._events = 0
        self._fed = 0
        self._feeding = b""

    @abc.abstractmethod
    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        """The chunks of one event."""

    def feed(self, data: bytes) -> Iterable[ChatMessage]:
        """Decode the events that end in `data`."""
        return flattened(self.feed_runs(data))

    def feed_runs(self, data: bytes) -> Iterable[ChatMessage | TextRun]:
        """As `feed`, with runs of text left together."""
        self._feeding = data
        documents = self._framing.feed_data(data)
        if not documents:
            self._fed += len(data)
            return ()
        if self._text and len(documents) == 1:
            # What a network mostly gives: one event, and that is text.
            one = self._decode_text(documents)
            if one:
                if self.raw_events is not None:
                    self.raw_events += documents
                self._events += 1
                self._fed += len(data)
                return one
            self._text = False
        found: list[ChatMessage | TextRun] = []
        failure: Exception | None = None
        position, size = 0, _FIRST
        try:
            while position < len(documents) and not self.ended:
                if self._text:
                    part = documents[position : position + size]
                    run = self._decode_text(part)
                    if run:
                        found.append(TextRun(run, reports_usage=self.usage_beside_text) if len(run) > 1 else run[0])
                        position += len(run)
                        if len(run) == len(part):
                            size = min(2 * size, _MOST)
                            continue
                        size = _FIRST
                    elif len(part) > 1:
                        size = len(part) // 2
                        continue
                self._text = False
                found += self._decode(documents[position])
                position += 1
        except DecodeError as error:
            failure = error
            error.event = self._events + position
        if self.raw_events is not None:
            self.raw_events += documents[:position]
        self._events += position
        self._fed += len(data)
        if failure is None and self.ended:
            failure = self._error
        return found if failure is None else _and_then_raise(found, failure)

    def _decode_text(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:  # noqa: ARG002
        """The chunks of the first of these events, one each, as many as are text of one block and nothing else.

        None if that can't be told of so many at once. It is asked while `_text` is True, which `_decode` sets after
        an event that more text is likely to follow: text comes in runs, and together its events cost half of what
        they cost one by one.
        """
        return None

    def event(self, data: bytes) -> Iterator[ChatMessage]:
        """Decode one event that is cut out already."""
        if self.raw_events is not None:
            self.raw_events.append(data)
        yield from self._decode(data)
        self._events += 1
        if self.ended and self._error is not None:
            raise self._error

    def end(self) -> Iterable[ChatMessage]:
        """Tell that the input has ended."""
        rest = self._framing.rest
        if not self.ended and rest.strip():
            yield from self._last(rest)
        if self._error is not None:
            raise self._error
        if not self.ended and (self._cut or not self._complete):
            raise TruncatedStreamError(
                f"the stream was cut after event {self._events} ({self._fed} bytes"
                f"{', inside an event' if rest.strip() else ''}): {self.terminal} never came. "
                "What had arrived is in get_chat_output()"
            )

    def _last(self, rest: bytes) -> Sequence[ChatMessage]:
        """Read what no blank line ended, if it is whole: recordings exist whose last event is cut short by that."""
        document = self._rest_document(rest)
        if document is None:
            return ()
        try:
            messages = self._decode(document)
        except DecodeError:
            self._cut = not b"[DONE]".startswith(document)
            return ()
        if self.raw_events is not None:
            self.raw_events.append(document)
        self._events += 1
        return messages

    def _rest_document(self, rest: bytes) -> bytes | None:
        event = parse_event(rest.rstrip(b"\n"))
        if event is not None:
            return event[1]
        # Not an event stream at all: a whole JSON answer where a stream was asked for.
        return rest if rest.lstrip()[:1] == b"{" else None

    def _parse(self, document: bytes) -> dict[str, Any]:
        """Parse a document without a schema; what JSON parsers differ about is read leniently."""
        try:
            value = parse_document(document)
        except ValueError as error:
            raise self._malformed(document, f"is not JSON ({error})") from error
        if not isinstance(value, dict):
            raise self._malformed(document, "is not a JSON object")
        return value

    def _malformed(self, document: bytes, what: str) -> DecodeError:
        at = max(self._fed - len(document), 0)
        # What began in an earlier read ends in this one, mostly with its line.
        end = document[-64:]
        for found, before in ((b"data: " + document, 6), (b"data:" + document, 5), (document, 0), (end + b"\n", None)):
            offset = self._feeding.find(found)
            if document and offset >= 0:
                at = self._fed + offset + (len(end) - len(document) if before is None else before)
                break
        shown = document[:60].decode("utf-8", "replace") + ("..." if len(document) > 60 else "")
        return DecodeError(
            f"an event near byte {at} {what}: {shown!r}. Is this the right wire format?",
            event=self._events,
            offset=at,
        )

    @classmethod
    def decode_complete(
        cls,
        body: bytes,
        headers: Mapping[str, str] = NOTHING,  # noqa: ARG003 - for formats that override it
    ) -> ChatOutput:
        """Decode the body of a response that was not streamed."""
        from tokentape.stream.accumulator import Accumulator

        decoder = cls()
        decoder._feeding = body
        accumulator = Accumulator()
        for message in decoder._decode_whole(decoder._parse(body)):
            accumulator.add(message)
        if decoder._error is not None:
            raise decoder._error
        accumulator.finish()
        return accumulator.output()

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:  # noqa: ARG002 - for formats that override it
        """The chunks that say what a whole body says. Raises `UnknownWireError` where a format only streams."""
        raise UnknownWireError(
            f"{type(self).__name__} reads streams only: give it a _decode_whole to read whole bodies"
        )


def flattened(found: Iterable[ChatMessage | TextRun]) -> Iterator[ChatMessage]:
    """The chunks one by one."""
    for item in found:
        if item.__class__ is TextRun:
            yield from item
        else:
            yield item  # type: ignore[misc]


def decode_lines(decode: Callable[[bytes], list[EventT]], documents: Sequence[bytes]) -> list[EventT] | None:
    """Decode the first of these documents in one call, as many as are what the type says; None if that can't be told.

    `decode` is the `decode_lines` of a typed decoder.
    """
    lines = b"\n".join(documents)
    try:
        events = decode(lines)
    except DecodeFailure as error:
        count = _good_lines(str(error), lines, len(documents))
        if not count:
            return None
        documents = documents[:count]
        try:
            events = decode(b"\n".join(documents))
        except DecodeFailure:
            return None
    return events if len(events) == len(documents) else None


def _good_lines(error: str, lines: bytes, count: int) -> int:
    """How many lines stand before the one that msgspec's error is about; a wrong answer costs time only."""
    item = _FAULTY_ITEM.search(error)
    if item is not None:
        return int(item[1])
    offset = _FAULTY_BYTE.search(error)
    return count - 1 if offset is None else lines.count(b"\n", 0, int(offset[1]))


_FAULTY_ITEM = re.compile(r"at `\$\[(\d+)\]")
_FAULTY_BYTE = re.compile(r"\(byte (\d+)\)")


def same(values: Sequence[object]) -> bool:
    """Whether all are equal."""
    return values.count(values[0]) == len(values)


def _and_then_raise(found: list[ChatMessage | TextRun], error: Exception) -> Iterator[ChatMessage | TextRun]:
    """What came before an error is handed on before it is raised."""
    yield from found
    raise error


DecodeFailure = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What typed decoding raises for documents that need the lenient way."""
