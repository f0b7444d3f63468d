"""The decoder for wire formats that are a sequence of JSON documents."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from tokentape.errors import DecodeError, ProviderError, TokentapeError, TruncatedStreamError, UnknownWireError
from tokentape.framing.sse import SSEFraming, event_documents
from tokentape.message import ChatMessage, Role
from tokentape.output import ChatOutput
from tokentape.stream.chunk_metadata import metadata_of
from tokentape.text_run import TextRun
from tokentape.usage import NOTHING
from tokentape.wires.finish import FinishReasons
from tokentape.wires.json_document import parse_document, salvage
from tokentape.wires.stream_error import request_id_of

EventT = TypeVar("EventT")
StructT = TypeVar("StructT", bound=msgspec.Struct)

# The least and the most events that are decoded as text in one call: those before a non-text event are decoded twice.
_MIN_RUN = 16
_MAX_RUN = 256
_KEPT_FIRST_BYTES = 256
"""The number of bytes that are kept to recognise a body that is not a stream."""
EXCERPT = 60
"""The number of bytes of a document that an error quotes."""


class Framing(Protocol):
    """Splits bytes into the documents of events; `what` is its name in messages."""

    what: str

    @property
    def rest(self) -> bytes:
        """The bytes of the event that is incomplete so far."""

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the documents that end in `data`."""

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:
        """Return the offsets of the last `feed_data` documents, which end in `region`; it starts at byte `start`."""

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body with these first bytes can be of this kind."""


class EventDecoder(abc.ABC):
    """Decodes a stream of JSON documents; a wire format implements `_decode`.

    `_decode(document)` returns the chunks of one event. It sets `ended` at the terminal event, `_complete` once the
    input may end without one, and `_error` at an error event. `_decode_texts` may decode many text events at once, and
    `_decode_text` one.
    """

    framing: ClassVar[type[Framing]] = SSEFraming
    terminal: ClassVar[str] = "its terminal event"
    usage_beside_text: ClassVar[bool] = False
    request_paths: ClassVar[Sequence[str]] = ()
    """The ends of its request paths: `stream_response` finds the wire format by the longest that fits."""
    sdk_modules: ClassVar[Sequence[str]] = ()
    """The modules and packages of official SDKs with the types of its events: `wrap` uses the longest that fits."""
    sdk_event_keys: ClassVar[Sequence[str]] = ()
    """The possible only keys of a first event, if an SDK's events are dicts, as boto3's are."""

    def __init__(self) -> None:
        self.ended = False
        self.raw_events: list[bytes] | None = None
        self._framing = self.framing()
        self._complete = False
        self._text = False
        self._cut = False
        self._error: TokentapeError | None = None
        self._has_chunks = False
        self._unread: dict[str, Any] = {}
        self._finish_reasons = FinishReasons()
        self._events = 0
        self._position = 0
        self._documents: Sequence[bytes] = ()
        self._fed = 0
        self._decoded = b""
        self._waiting: list[bytes] = []
        self._first_bytes = b""

    @abc.abstractmethod
    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        """Return the chunks of one event."""

    def feed(self, data: bytes) -> Iterable[ChatMessage]:
        """Decode the events that end in `data`."""
        return flattened(self.feed_runs(data))

    def feed_runs(self, data: bytes) -> ChatMessage | Iterable[ChatMessage | TextRun]:
        """Like `feed`, but runs of text stay together, and a chunk alone may come as it is."""
        self._fed += len(data)
        documents = self._framing.feed_data(data)
        if self._text and len(documents) == 1:
            # The usual case on a network: one event, which is text.
            chunk = self._decode_text(documents[0])
            if chunk is not None:
                if self.raw_events is not None:
                    self.raw_events += documents
                self._has_chunks = True
                self._events += 1
                self._decoded = data
                if self._waiting:
                    self._waiting.clear()
                return chunk
            self._text = False
        if not self._events and len(self._first_bytes) < _KEPT_FIRST_BYTES:
            self._first_bytes += data[:_KEPT_FIRST_BYTES]
        if not documents:
            if data[-2:] != b"\n\n":  # else a comment
                self._waiting.append(data)
            return ()
        self._documents, self._position = documents, 0
        self._waiting.append(data)
        result: list[ChatMessage | TextRun] = []
        error_to_raise: Exception | None = None
        position, size = 0, _MIN_RUN
        try:
            while position < len(documents) and not self.ended:
                if self._text:
                    part = documents[position : position + size]
                    run = self._decode_texts(part)
                    if run:
                        result.append(TextRun(run, reports_usage=self.usage_beside_text) if len(run) > 1 else run[0])
                        self._has_chunks = True
                        position += len(run)
                        if len(run) == len(part):
                            size = min(2 * size, _MAX_RUN)
                            continue
                        size = _MIN_RUN
                    elif len(part) > 1:
                        size = len(part) // 2
                        continue
                self._text = False
                self._position = position
                result += self._chunks(documents[position])
                position += 1
        except DecodeError as error:
            error_to_raise = error
            if error.event is None:
                error.event, error.offset = self._events + position, self._offset()
        if self.raw_events is not None:
            self.raw_events += documents[:position]
        self._events += position
        self._decoded = data
        self._waiting.clear()
        if error_to_raise is None and self.ended:
            error_to_raise = self._error
        return result if error_to_raise is None else _yield_then_raise(result, error_to_raise)

    def _chunks(self, document: bytes) -> Sequence[ChatMessage]:
        """Decode one event; normalize its finish reasons, and add unread fields and an error's request id."""
        before = self._error
        chunks = self._finish_reasons.normalize(self._decode(document))
        if self._unread:
            chunks = [*chunks, ChatMessage(metadata={"unread": self._unread})]
            self._unread = {}
        if self._error is not before and isinstance(self._error, ProviderError) and self._error.request_id is None:
            self._error.request_id = request_id_of(self._parse(document))
        self._has_chunks = self._has_chunks or bool(chunks)
        return chunks

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:  # noqa: ARG002
        """Decode the leading events that are only text of one block, and return one chunk for each.

        Return None if no number of them can be decoded together. This is called while `_text` is True, which `_decode`
        sets after an event that more text is likely to follow: text arrives in runs, and decoding them together takes
        half the time.
        """
        return None

    def _decode_text(self, document: bytes) -> ChatMessage | None:
        """Decode one event as `_decode_texts` does, the usual case on a network; None if it is not only text."""
        chunks = self._decode_texts((document,))
        return chunks[0] if chunks else None

    def event(self, data: bytes) -> Iterator[ChatMessage]:
        """Decode one event, without its framing."""
        if self.raw_events is not None:
            self.raw_events.append(data)
        self._documents, self._position = (), 0
        yield from self._chunks(data)
        self._events += 1
        if self.ended and self._error is not None:
            raise self._error

    def end(self) -> Iterable[ChatMessage]:
        """Decode the rest at the end of the input.

        Raises `TruncatedStreamError` if there was no terminal event, `DecodeError` for a body of another kind, and the
        error that the provider sent.
        """
        rest = self._framing.rest
        if not self.ended and rest.strip():
            yield from self._last(rest)
        if self._error is not None:
            raise self._error
        if not self.ended and (self._cut or not self._complete):
            self._raise_if_other_kind()
            raise TruncatedStreamError(
                f"the stream was cut after event {self._events} ({self._fed} bytes"
                f"{', inside an event' if rest.strip() else ''}): {self.terminal} never came. "
                "What had arrived is in get_chat_output()"
            )

    def _is_of_its_kind(self) -> bool:
        """Whether the body can have this framing."""
        return bool(self._events) or self._framing.may_begin(self._first_bytes)

    def _raise_if_other_kind(self) -> None:
        """Raise `DecodeError` if the body has another framing: an error page, or compressed data."""
        if not self._is_of_its_kind():
            raise DecodeError(
                f"the body is not {self._framing.what}: it begins with {_excerpt(self._first_bytes)!r}. "
                "Is it an error page, compressed, or of another wire format?",
                event=0,
                offset=0,
            )

    def _last(self, rest: bytes) -> Iterator[ChatMessage]:
        """Decode a last event without the blank line after it, if it is whole: some recordings end like that."""
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
        """Return the documents in the bytes of the last event, which has no line end."""
        return event_documents(rest.rstrip(b"\n"))

    def _is_end_marker(self, document: bytes) -> bool:
        """Whether a document is blank or the end marker, which calls `_done`, and thus no event."""
        marker = document.strip()
        if marker in (b"[DONE]", b'"[DONE]"'):
            if not self._has_chunks and self._error is None:
                self._error = TruncatedStreamError(
                    f"the stream ended without content: {marker.decode()} was its first event. "
                    "Look for an error in the provider's or the gateway's log"
                )
                self.ended = True
            self._done()
        return marker in (b"[DONE]", b'"[DONE]"', b"")

    def _done(self) -> None:
        """End the stream at the end marker."""
        self.ended = True

    def _typed(self, decode: Callable[[bytes], StructT], document: bytes, struct: type[StructT]) -> StructT | None:
        """Decode a document as `struct`, field by field if its types do not fit; None for a blank one or the marker."""
        try:
            return decode(document)
        except DecodeFailure:
            return None if self._is_end_marker(document) else self._salvage(document, struct)

    def _salvage(self, document: bytes, struct: type[StructT]) -> StructT:
        """Decode a document field by field; fields that can't be read are kept in the metadata as `unread`."""
        return salvage(self._parse(document), struct, self._unread)

    def _parse(self, document: bytes) -> dict[str, Any]:
        """Parse a document without a schema, leniently where JSON parsers differ."""
        try:
            value = parse_document(document)
        except ValueError as error:
            raise self._malformed(document, f"is not JSON ({error})") from error
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # Google's servers wrap an error in a list
        if not isinstance(value, dict):
            raise self._malformed(document, "is not a JSON object")
        return value

    def _malformed(self, document: bytes, what: str) -> DecodeError:
        number, offset = self._events + self._position, self._offset()
        place = "" if offset is None else f" (at byte {offset})"
        return DecodeError(
            f"event {number}{place} {what}: {_excerpt(document)!r}. Is this the right wire format?",
            event=number,
            offset=offset,
        )

    def _offset(self) -> int | None:
        """Return the offset of the document that is being decoded; None if it did not come from `feed`."""
        if not self._documents:
            return None
        region = self._decoded + b"".join(self._waiting)
        offsets = self._framing.offsets(region, self._fed - len(region), self._documents)
        return offsets[self._position - len(self._documents)] if len(offsets) >= len(self._documents) else None

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
        for message in decoder._finish_reasons.normalize(decoder._decode_whole(parsed)):
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
        """Return the chunks of a whole body. Raises `UnknownWireError` if the format only streams."""
        raise UnknownWireError(
            f"{type(self).__name__} reads streams only: give it a _decode_whole to read whole bodies"
        )


def _excerpt(document: bytes) -> str:
    return document[:EXCERPT].decode("utf-8", "replace") + ("..." if len(document) > EXCERPT else "")


def flattened(found: ChatMessage | Iterable[ChatMessage | TextRun]) -> Iterator[ChatMessage]:
    """Yield the chunks of `feed_runs` one by one."""
    for item in (found,) if isinstance(found, ChatMessage) else found:
        if item.__class__ is TextRun:
            yield from item
        else:
            yield item  # type: ignore[misc]


def decode_lines(decode: Callable[[bytes], list[EventT]], documents: Sequence[bytes]) -> list[EventT] | None:
    """Decode the leading documents that fit the type, in one call; None if their number is unknown.

    `decode` is the `decode_lines` of a typed decoder.
    """
    lines = documents[0] if len(documents) == 1 else b"\n".join(documents)
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
    """Return the number of lines before the one in msgspec's error; a wrong result only costs time."""
    item = _FAULTY_ITEM.search(error)
    if item is not None:
        return int(item[1])
    offset = _FAULTY_BYTE.search(error)
    return count - 1 if offset is None else lines.count(b"\n", 0, int(offset[1]))


_FAULTY_ITEM = re.compile(r"at `\$\[(\d+)\]")
_FAULTY_BYTE = re.compile(r"\(byte (\d+)\)")


def text_chunks(
    texts: Sequence[str], documents: Sequence[bytes], read: Callable[[bytes, int], dict[str, Any]]
) -> list[ChatMessage]:
    """Return a chunk without a block for each text; the documents are those of their events, and maybe more."""
    role: Role = "assistant"
    return list(map(ChatMessage, texts, repeat(role), metadata_of(documents, read)))


def same(values: Sequence[object]) -> bool:
    """Whether all are equal."""
    return values.count(values[0]) == len(values)


def _yield_then_raise(result: list[ChatMessage | TextRun], error: Exception) -> Iterator[ChatMessage | TextRun]:
    """Yield the chunks before an error, and then raise it."""
    yield from result
    raise error


DecodeFailure = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The errors of typed decoding for documents that must be read leniently."""
