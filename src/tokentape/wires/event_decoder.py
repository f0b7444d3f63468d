"""The decoder that formats share which are a sequence of JSON documents."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import msgspec

from tokentape.errors import DecodeError, ProviderError, TruncatedStreamError, UnknownWireError
from tokentape.framing.sse import SSEFraming, parse_event
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.usage import NOTHING
from tokentape.wires.json_document import parse_document


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
    input may end without one, and `_error` at an error event.
    """

    framing: ClassVar[type[Framing]] = SSEFraming
    terminal: ClassVar[str] = "its terminal event"

    def __init__(self) -> None:
        self.ended = False
        self.raw_events: list[bytes] | None = None
        self._framing = self.framing()
        self._complete = False
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
        self._feeding = data
        documents = self._framing.feed_data(data)
        if not documents:
            self._fed += len(data)
            return ()
        messages: list[ChatMessage] = []
        failure: Exception | None = None
        position = 0
        try:
            while True:
                position = self._decode_text_run(documents, position, messages)
                if position == len(documents):
                    break
                messages += self._decode(documents[position])
                position += 1
                if self.ended or position == len(documents):
                    break
        except DecodeError as error:
            failure = error
            error.event = self._events + position
        if self.raw_events is not None:
            self.raw_events += documents[:position]
        self._events += position
        self._fed += len(data)
        if failure is None and self.ended:
            failure = self._error
        return messages if failure is None else _and_then_raise(messages, failure)

    def _decode_text_run(
        self,
        documents: list[bytes],  # noqa: ARG002 - for formats that override it
        position: int,
        messages: list[ChatMessage],  # noqa: ARG002
    ) -> int:
        """Decode plain text events from `position` on, as fast as the format allows; return where they stop."""
        return position

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
        for field in (b"data: ", b"data:", b""):
            offset = self._feeding.find(field + document)
            if document and offset >= 0:
                at = self._fed + offset + len(field)
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


def _and_then_raise(messages: list[ChatMessage], error: Exception) -> Iterator[ChatMessage]:
    """What came before an error is handed on before it is raised."""
    yield from messages
    raise error


DecodeFailure = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What typed decoding raises for documents that need the lenient way."""
