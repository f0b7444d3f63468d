"""Ground: the base class of the broken adapters. It has no fault, which is checked."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from tests.conformance.mutants import mutant
from tokentape import ChatMessage, StreamContext, StreamedChatMessageIterator
from tokentape.sources.byte_stream import decoded
from tokentape.wires import wire_named
from tokentape_conformance.adapters.tokentape import TokentapeAdapter
from tokentape_conformance.iterator import SyncSource

broken = functools.partial(mutant, "iterator")


class Ground(TokentapeAdapter):
    """Plain streams whose bytes and chunks pass through generators of their own."""

    lacks: ClassVar[Mapping[str, str]] = {"async": "mutants are plain"}
    stream: ClassVar[type[StreamedChatMessageIterator]] = StreamedChatMessageIterator

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        """The bytes on their way to the decoder."""
        for chunk in source:  # noqa: UP028 - `yield from` would close the source as well
            yield chunk

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        """The chunks on their way to the iterator."""
        yield from chunks

    def closing(self, source: SyncSource) -> Callable[[], None]:
        """What closes the source."""
        return source.close

    def context(self, request: Mapping[str, Any]) -> StreamContext:
        """The event's context: the request."""
        renamed = {("request_thread_id" if name == "thread_id" else name): value for name, value in request.items()}
        return StreamContext(**renamed)

    def open(self, source: SyncSource, wire: str, **options: Any) -> Any:
        """A plain stream."""
        decoder = wire_named(wire).decoder()
        decoder.raw_events = [] if options.get("keep_raw") else None
        return self.stream(
            self.chunks(decoded(self.bytes(source), decoder)),
            context=self.context(options.get("request") or {}),
            close=self.closing(source),
            raw_events=decoder.raw_events,
            on_callback_error=options.get("on_callback_error"),
        )


class Framed(Ground):
    """Server-sent events are taken apart and put together again on their way."""

    line_end = re.compile(rb"\r\n|\n|\r(?!\Z)")
    colon_space = False

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        """Whole events, with LF."""
        waiting, event = b"", list[bytes]()
        first = True
        for chunk in source:
            waiting += self.arriving(chunk)
            if first and waiting:
                if len(waiting) < 3 and b"\xef\xbb\xbf".startswith(waiting):
                    continue
                waiting, first = self.without_bom(waiting), False
            *lines, waiting = self.lines(waiting)
            for line in lines:
                if line:
                    event.append(line)
                elif event:
                    yield self.whole(event)
                    event = []
            waiting = self.left(waiting)
        yield from self.last(event, waiting)

    def lines(self, data: bytes) -> list[bytes]:
        """Lines, and what is left."""
        return self.line_end.split(data)

    def arriving(self, chunk: bytes) -> bytes:
        """A chunk as it came."""
        return chunk

    def without_bom(self, data: bytes) -> bytes:
        """The beginning without its BOM."""
        return data.removeprefix(b"\xef\xbb\xbf")

    def left(self, waiting: bytes) -> bytes:
        """What is kept of a line that is not over when its chunk is."""
        return waiting

    def last(self, event: list[bytes], waiting: bytes) -> Iterator[bytes]:
        """The event that is not complete at the end of the body."""
        if waiting.strip(b"\r"):
            event.append(waiting.strip(b"\r"))
        if event:
            yield self.whole(event)

    def whole(self, event: list[bytes]) -> bytes:
        """An event's bytes."""
        kept = [self.field(line) for line in event]
        data = [line for line in kept if line.startswith(b"data:")]
        others = [line for line in kept if not line.startswith(b"data:")]
        return b"\n".join([*others, *self.data(data)]).replace(b"\r", b"") + b"\n\n"

    def field(self, line: bytes) -> bytes:
        """A line of an event."""
        return line

    def data(self, lines: list[bytes]) -> list[bytes]:
        """The data lines of an event."""
        return lines
