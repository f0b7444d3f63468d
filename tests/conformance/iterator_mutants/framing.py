"""Broken between the network and the decoder: framing and splits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from tests.conformance.iterator_mutants.ground import Framed, Ground, broken
from tokentape import ChatMessage
from tokentape_conformance.iterator import SyncSource


@broken("splits/inside-a-character", "splits/one-byte", "splits/two-bytes", "splits/every-cut", "splits/at-random")
class DecodesEachChunk(Ground):
    """Each chunk is decoded by itself: a character that is cut in two is lost."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            yield chunk.decode(errors="replace").encode()


@broken("splits/an-event-and-a-half", "splits/one-byte", "splits/every-cut", "splits/at-random")
class ForgetsHalfLines(Framed):
    """What is left of a chunk after its last whole line is thrown away."""

    def left(self, waiting: bytes) -> bytes:
        return b""


@broken("splits/several-events-a-chunk", "splits/one-chunk")
class OneEventAChunk(Framed):
    """Only the first event of each chunk is read."""

    def arriving(self, chunk: bytes) -> bytes:
        head, separator, _ = chunk.partition(b"\n\n")
        return head + separator


@broken("splits/empty-chunks")
class EndsAtAnEmptyChunk(Ground):
    """An empty chunk is taken for the end."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            if not chunk:
                return
            yield chunk


@broken("splits/json-array", wire="gemini")
class NoArrays(Ground):
    """A JSON array is not read."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            if chunk[:1] == b"[":
                return
            yield chunk


@broken("framing/crlf", "framing/crlf-cut")
class NoCarriageReturns(Framed):
    """Lines end with LF alone."""

    line_end = re.compile(rb"\n|\r(?!\n)(?!\Z)")

    def lines(self, data: bytes) -> list[bytes]:
        return data.split(b"\n")

    def last(self, event: list[bytes], waiting: bytes) -> Iterator[bytes]:
        yield from ()  # a blank line of a CR alone has ended no event


@broken("framing/cr")
class NoBareCarriageReturns(Framed):
    """A CR alone ends no line."""

    line_end = re.compile(rb"\r\n|\n")


@broken("framing/crlf-cut")
class CountsCutLineEndsTwice(Framed):
    """A CR LF that is cut in two is two line ends."""

    line_end = re.compile(rb"\r\n|\n|\r")

    def whole(self, event: list[bytes]) -> bytes:
        # An event type by itself, torn from its data by the blank line that was none.
        return super().whole(event) if len(event) > 1 or event[0] == b"data: [DONE]" else b""


@broken("framing/bom")
class KeepsTheBom(Framed):
    """The BOM is taken for a part of the first field's name."""

    def without_bom(self, data: bytes) -> bytes:
        return data

    def field(self, line: bytes) -> bytes:
        return b"unknown: " + line if line.startswith(b"\xef\xbb\xbf") else line


@broken("framing/comments")
class ReadsComments(Framed):
    """A comment is taken for data."""

    def field(self, line: bytes) -> bytes:
        return b"data" + line if line.startswith(b":") else line


@broken("framing/no-space")
class WantsTheSpace(Framed):
    """`data:` without the space is not known."""

    def field(self, line: bytes) -> bytes:
        return line if not line.startswith(b"data:") or line[5:6] == b" " else b"unknown: " + line


@broken("framing/several-data-lines")
class LastDataLine(Framed):
    """Of several data lines the last one is kept."""

    def data(self, lines: list[bytes]) -> list[bytes]:
        return lines[-1:]


@broken("framing/other-fields")
class RefusesOtherFields(Framed):
    """A field that it does not know ends the stream."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for event in super().bytes(source):
            if b"x-unknown" in event:
                return
            yield event


@broken("framing/no-last-blank-line", wire="anthropic_messages")
class WantsTheLastBlankLine(Framed):
    """An event without a blank line after it is dropped, as WHATWG has it, and the stream with it."""

    def last(self, event: list[bytes], waiting: bytes) -> Iterator[bytes]:
        yield from ()


@broken("text/separators", wire="ollama")
class SplitsAtSeparators(Ground):
    """str.splitlines() ends lines at separators that are none."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            yield "\n".join(chunk.decode().splitlines()).encode() + b"\n"


@broken("text/framing-words")
class SeesDoneInText(Ground):
    """[DONE] ends the stream wherever it stands."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            yield chunk
            if b"[DONE]" in chunk:
                yield b"data: [DONE]\n\n"
                return


@broken("framing/ndjson-crlf", wire="ollama")
class NdjsonWithoutCarriageReturns(Ground):
    """A CR before the LF makes a line unreadable."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            yield chunk.replace(b"\r", b"?")


@broken("framing/ndjson-blank-lines", wire="ollama")
class NdjsonEndsAtABlankLine(Ground):
    """An empty line is taken for the end."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            if chunk.startswith(b"\n"):
                return
            yield chunk


@broken("framing/ndjson-no-last-line-end", wire="ollama")
class NdjsonWantsTheLastLineEnd(Ground):
    """A last line without its end is dropped."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        waiting = b""
        for chunk in source:
            *lines, waiting = (waiting + chunk).split(b"\n")
            yield b"".join(line + b"\n" for line in lines)


@broken("framing/damaged-message", wire="bedrock_converse")
class IgnoresChecksums(Ground):
    """A message whose checksum is wrong is skipped in silence."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        import binascii

        for chunk in source:
            if binascii.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:], "big"):
                yield chunk


@broken("lazy/nothing-before-the-first-next", "leaving/close-before-the-loop")
class ReadsOnOpening(Ground):
    """The first chunk is read when the stream is opened."""

    def open(self, source: SyncSource, wire: str, **options: object) -> object:
        rest = iter(source)
        first = next(rest, b"")

        class Begun:
            def __iter__(self) -> Iterator[bytes]:
                return itertools.chain([first], rest)

            close = source.close

        return super().open(Begun(), wire, **options)  # type: ignore[arg-type]


@broken("lazy/one-chunk-at-a-time", "follow-ups/as-it-arrives", "buffers/flush-each-message")
class ReadsAllFirst(Ground):
    """The body is read whole before anything is decoded."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        yield from list(source)


@broken("lazy/one-chunk-at-a-time", "buffers/flush-each-message")
class ReadsOneAhead(Ground):
    """One chunk is read ahead."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        ahead: bytes | None = None
        for chunk in source:
            if ahead is not None:
                yield ahead
            ahead = chunk
        if ahead is not None:
            yield ahead


@broken("lazy/begun-once", "leaving/complete")
class BeginsTwice(Ground):
    """The source is iterated twice."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        iter(source)
        yield from source


@broken(
    "breaking/truncated",
    "breaking/every-ending",
    "breaking/inside-an-event",
    "breaking/empty-body",
    "breaking/source-error",
    "breaking/failure-event",
    "breaking/no-callback",
    "breaking/damaged-event",
    "breaking/error-event",
    "status/failed",
    "iteration/loop-after-a-failure",
    "buffers/broken-stream",
    "tool-calls/cut-off",
    "breaking/failure-event-tells",
    "replay/error",
)
class SwallowsEveryError(Ground):
    """Any error is taken for the end of the stream."""

    def chunks(self, chunks: Iterator[object]) -> Iterator[object]:  # type: ignore[override]
        import contextlib

        with contextlib.suppress(Exception):
            yield from chunks


@broken("breaking/inside-an-event")
class DropsTheRest(Ground):
    """An event that is cut off is dropped, and the stream was complete."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        whole = True
        for chunk in source:
            whole = chunk.endswith(b"\n\n")
            if whole:
                yield chunk
        if not whole:
            yield b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@broken("breaking/empty-body")
class EmptyIsComplete(Ground):
    """A body without a byte is an empty answer."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        empty = True
        for chunk in source:
            empty = empty and not chunk
            yield chunk
        if empty:
            yield b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@broken("breaking/damaged-event")
class SkipsDamagedEvents(Ground):
    """An event that is no JSON is skipped."""

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        for chunk in source:
            if chunk.count(b"{") == chunk.count(b"}"):
                yield chunk


@broken("lazy/not-beyond-the-end")
class WaitsForTheEndOfTheBody(Ground):
    """The body is read to its end, also after the stream's end."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        yield from chunks
        for _ in self.source:
            pass

    def bytes(self, source: SyncSource) -> Iterator[bytes]:
        self.source = source
        yield from super().bytes(source)
