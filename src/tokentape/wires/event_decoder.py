"""The decoder that formats share which are a sequence of JSON documents."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from tokentape.errors import DecodeError, ProviderError, TokentapeError, TruncatedStreamError, UnknownWireError
from tokentape.framing.sse import SSEFraming, event_documents
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.text_run import TextRun
from tokentape.usage import NOTHING
from tokentape.wires.finish import Endings
from tokentape.wires.json_document import parse_document, salvage
from tokentape.wires.stream_error import request_id_of

EventT = TypeVar("EventT")
StructT = TypeVar("StructT", bound=msgspec.Struct)

# How many events are taken for text at first and at most: those before something else are decoded twice.
_FIRST = 16
_MOST = 256
_HEAD = 256
"""How many bytes of the body are kept to tell what it is, if it is no stream."""


class Framing(Protocol):
    """Cuts bytes into the documents of events; `what` names what it reads."""

    what: str

    @property
    def rest(self) -> bytes:
        """What was fed and does not belong to a whole event."""

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the documents that end in `data`."""

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:
        """Where the documents begin that `feed_data` gave last, and that end in `region`, which begins at `start`."""

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body that begins so can be of this kind."""


class EventDecoder(abc.ABC):
    """Decodes a stream of JSON documents; a wire format adds `_decode`, and says when it has ended.

    `_decode(document)` returns the chunks of one event. It sets `ended` at the terminal event, `_complete` once the
    input may end without one, and `_error` at an error event. `_decode_text` may do many events of text at once.
    """

    framing: ClassVar[type[Framing]] = SSEFraming
    terminal: ClassVar[str] = "its terminal event"
    usage_beside_text: ClassVar[bool] = False
    request_paths: ClassVar[Sequence[str]] = ()
    """How the paths of its requests end: `stream_response` finds the wire format by the longest that fits."""
    sdk_modules: ClassVar[Sequence[str]] = ()
    """Modules and packages of official SDKs with the types of its events: `wrap` takes the longest that fits."""
    sdk_event_keys: ClassVar[Sequence[str]] = ()
    """What the only key of a first event may be, where an SDK's events are dicts, as boto3's are."""

    def __init__(self) -> None:
        self.ended = False
        self.raw_events: list[bytes] | None = None
        self._framing = self.framing()
        self._complete = False
        self._text = False
        self._cut = False
        self._error: TokentapeError | None = None
        self._given = False
        self._unread: dict[str, Any] = {}
        self._endings = Endings()
        self._events = 0
        self._position = 0
        self._documents: Sequence[bytes] = ()
        self._fed = 0
        self._decoded = b""
        self._waiting: list[bytes] = []
        self._head = b""

    @abc.abstractmethod
    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        """The chunks of one event."""

    def feed(self, data: bytes) -> Iterable[ChatMessage]:
        """Decode the events that end in `data`."""
        return flattened(self.feed_runs(data))

    def feed_runs(self, data: bytes) -> Iterable[ChatMessage | TextRun]:
        """As `feed`, with runs of text left together."""
        if self._fed < _HEAD:
            self._head += data[:_HEAD]
        self._fed += len(data)
        documents = self._framing.feed_data(data)
        if not documents:
            if data[-2:] != b"\n\n":  # else a comment
                self._waiting.append(data)
            return ()
        if self._text and len(documents) == 1:
            # What a network mostly gives: one event, and that is text.
            one = self._decode_text(documents)
            if one:
                if self.raw_events is not None:
                    self.raw_events += documents
                self._given = True
                self._events += 1
                self._decoded = data
                if self._waiting:
                    self._waiting.clear()
                return one
            self._text = False
        self._documents, self._position = documents, 0
        self._waiting.append(data)
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
                        self._given = True
                        position += len(run)
                        if len(run) == len(part):
                            size = min(2 * size, _MOST)
                            continue
                        size = _FIRST
                    elif len(part) > 1:
                        size = len(part) // 2
                        continue
                self._text = False
                self._position = position
                found += self._chunks(documents[position])
                position += 1
        except DecodeError as error:
            failure = error
            if error.event is None:
                error.event, error.offset = self._events + position, self._offset()
        if self.raw_events is not None:
            self.raw_events += documents[:position]
        self._events += position
        self._decoded = data
        self._waiting.clear()
        if failure is None and self.ended:
            failure = self._error
        return found if failure is None else _and_then_raise(found, failure)

    def _chunks(self, document: bytes) -> Sequence[ChatMessage]:
        """The chunks of one event, with what is the same over all wires: how it ends, and what could not be read."""
        before = self._error
        chunks = self._endings.told(self._decode(document))
        if self._unread:
            chunks = [*chunks, ChatMessage(metadata={"unread": self._unread})]
            self._unread = {}
        if self._error is not before and isinstance(self._error, ProviderError) and self._error.request_id is None:
            self._error.request_id = request_id_of(self._parse(document))
        self._given = self._given or bool(chunks)
        return chunks

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
        self._documents, self._position = (), 0
        yield from self._chunks(data)
        self._events += 1
        if self.ended and self._error is not None:
            raise self._error

    def end(self) -> Iterable[ChatMessage]:
        """Read what is left at the end of the input.

        Raises `TruncatedStreamError` if no terminal event came, `DecodeError` for a body of another kind, and the
        error that the provider sent.
        """
        rest = self._framing.rest
        if not self.ended and rest.strip():
            yield from self._last(rest)
        if self._error is not None:
            raise self._error
        if not self.ended and (self._cut or not self._complete):
            self._refuse_other_kinds()
            raise TruncatedStreamError(
                f"the stream was cut after event {self._events} ({self._fed} bytes"
                f"{', inside an event' if rest.strip() else ''}): {self.terminal} never came. "
                "What had arrived is in get_chat_output()"
            )

    def _refuse_other_kinds(self) -> None:
        """Raise `DecodeError` if the body is no stream of this framing at all: a page, or compressed data."""
        if not self._events and not self._framing.may_begin(self._head):
            raise DecodeError(
                f"the body is not {self._framing.what}: it begins with {_shown(self._head)!r}. "
                "Is it an error page, compressed, or of another wire format?",
                event=0,
                offset=0,
            )

    def _last(self, rest: bytes) -> Iterator[ChatMessage]:
        """Read what no blank line ended, if it is whole: recordings exist whose last event is cut short by that."""
        self._documents = self._rest_documents(rest)
        for position, document in enumerate(self._documents):
            self._position = position
            if self.ended:
                break
            try:
                messages = self._chunks(document)
            except DecodeError:
                self._cut = not b"[DONE]".startswith(document)
                break
            if self.raw_events is not None:
                self.raw_events.append(document)
            self._events += 1
            yield from messages

    def _rest_documents(self, rest: bytes) -> Sequence[bytes]:
        """The documents of what no line end has ended, if it is whole."""
        return event_documents(rest.rstrip(b"\n"))

    def _is_mark(self, document: bytes) -> bool:
        """Whether a document is no event, but blank or the mark of the end, which `_done` acts on."""
        word = document.strip()
        if word in (b"[DONE]", b'"[DONE]"'):
            if not self._given and self._error is None:
                self._error = TruncatedStreamError(
                    f"the stream ended before anything came: {word.decode()} was its first event. "
                    "Look for an error in the provider's or the gateway's log"
                )
                self.ended = True
            self._done()
        return word in (b"[DONE]", b'"[DONE]"', b"")

    def _done(self) -> None:
        """The mark of the end came."""
        self.ended = True

    def _salvaged(self, document: bytes, struct: type[StructT]) -> StructT:
        """Read a document field by field; what can't be read goes into the metadata as `unread`."""
        return salvage(self._parse(document), struct, self._unread)

    def _parse(self, document: bytes) -> dict[str, Any]:
        """Parse a document without a schema; what JSON parsers differ about is read leniently."""
        try:
            value = parse_document(document)
        except ValueError as error:
            raise self._malformed(document, f"is not JSON ({error})") from error
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # Google's servers put an error into a list
        if not isinstance(value, dict):
            raise self._malformed(document, "is not a JSON object")
        return value

    def _malformed(self, document: bytes, what: str) -> DecodeError:
        number, offset = self._events + self._position, self._offset()
        place = "" if offset is None else f" (at byte {offset})"
        return DecodeError(
            f"event {number}{place} {what}: {_shown(document)!r}. Is this the right wire format?",
            event=number,
            offset=offset,
        )

    def _offset(self) -> int | None:
        """The byte at which the document begins that is being decoded; None if it was not cut out of bytes."""
        if not self._documents:
            return None
        region = self._decoded + b"".join(self._waiting)
        found = self._framing.offsets(region, self._fed - len(region), self._documents)
        return found[self._position - len(self._documents)] if len(found) >= len(self._documents) else None

    @classmethod
    def decode_complete(
        cls,
        body: bytes,
        headers: Mapping[str, str] = NOTHING,  # noqa: ARG003 - for formats that override it
    ) -> ChatOutput:
        """Decode the body of a response that was not streamed."""
        from tokentape.stream.accumulator import Accumulator

        decoder = cls()
        parsed = decoder._parse(body)
        accumulator = Accumulator()
        for message in decoder._endings.told(decoder._decode_whole(parsed)):
            accumulator.add(message)
        if decoder._unread:
            accumulator.add(ChatMessage(metadata={"unread": decoder._unread}))
        if isinstance(decoder._error, ProviderError) and decoder._error.request_id is None:
            decoder._error.request_id = request_id_of(parsed)
        if decoder._error is not None:
            raise decoder._error
        accumulator.finish()
        return accumulator.output()

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:  # noqa: ARG002 - for formats that override it
        """The chunks that say what a whole body says. Raises `UnknownWireError` where a format only streams."""
        raise UnknownWireError(
            f"{type(self).__name__} reads streams only: give it a _decode_whole to read whole bodies"
        )


def _shown(document: bytes) -> str:
    return document[:60].decode("utf-8", "replace") + ("..." if len(document) > 60 else "")


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
