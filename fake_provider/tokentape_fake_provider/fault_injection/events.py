"""Splits a body into events, and finds the JSON document in each.

The content type decides how. The bytes between two events (comments, blank lines, the commas of an array) belong to the
second one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires.aws_frames import split_frames, with_payload

_BLANK_LINES: Final = re.compile(rb"(?:\r\n|\r(?!\n)|\n){2,}")
_LINE: Final = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_DATA: Final = re.compile(rb"(?m)^data(?::|$)|(?<=\r)data:")
_JSON_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\],]', re.DOTALL)


class BodyEvent(NamedTuple):
    """An event: its range in the body, and its document. It is `whole` unless the body ends inside it."""

    start: int
    stop: int
    document: bytes
    whole: bool = True


class Framing(NamedTuple):
    """How a body is split into events; `replace` replaces the document in an event's bytes.

    `between` is sent between two events, `close` after the last one. `comment` is the format of a comment, or empty
    if there are no comments.
    """

    name: str
    split: Callable[[bytes], Iterator[BodyEvent]]
    replace: Callable[[bytes, bytes], bytes]
    between: bytes = b""
    close: bytes = b""
    comment: bytes = b""


def framing_of(tape: Tape) -> Framing:
    """Return the framing of a tape; a body that is not a stream is one event."""
    if tape.header("content-encoding") not in ("", "identity"):
        return OPAQUE
    kind = tape.header("content-type").partition(";")[0].strip().lower()
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    head = tape.body[:64].lstrip()
    if head.startswith((b"data:", b"event:", b":")):
        return SSE
    return ARRAY if head.startswith(b"[") else WHOLE


def events_of(tape: Tape) -> list[BodyEvent]:
    """Return the events of a tape."""
    return list(framing_of(tape).split(tape.body))


def _split_sse(body: bytes) -> Iterator[BodyEvent]:
    start = position = 0
    while position < len(body):
        match = _BLANK_LINES.search(body, position)
        stop = match.end() if match else len(body)
        if _DATA.search(body, position, stop):
            yield BodyEvent(start, stop, _sse_document(body[position:stop]), match is not None)
            start = stop
        position = stop


def _sse_document(block: bytes) -> bytes:
    values = []
    for line in _LINE_END.split(block):
        name, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        if name == b"data":
            values.append(value.removeprefix(b" "))
    return b"\n".join(values)


def _replace_sse(event: bytes, document: bytes) -> bytes:
    lines = []
    put = False
    for match in _LINE.finditer(event):
        line = match[0]
        if line.startswith((b"data:", b"data\n", b"data\r")):
            if not put:
                line_end = _LINE_END.search(line)
                space = b" " if line.startswith(b"data: ") else b""
                lines.append(b"data:" + space + document + (line_end[0] if line_end else b""))
                put = True
            continue
        lines.append(line)
    return b"".join(lines)


def _split_lines(body: bytes) -> Iterator[BodyEvent]:
    start = position = 0
    while position < len(body):
        found = body.find(b"\n", position)
        stop = found + 1 if found >= 0 else len(body)
        document = body[position:stop].strip()
        if document:
            yield BodyEvent(start, stop, document, found >= 0)
            start = stop
        position = stop


def _replace_line(event: bytes, document: bytes) -> bytes:
    return event.replace(event.strip(), document, 1)


def _split_aws(body: bytes) -> Iterator[BodyEvent]:
    end = 0
    for start, end, payload in split_frames(body):
        yield BodyEvent(start, end, payload)
    if end < len(body):
        yield BodyEvent(end, len(body), b"", whole=False)


def _split_array(body: bytes) -> Iterator[BodyEvent]:
    depth = 0
    opened = body.find(b"[")
    start = opened + 1
    for match in _JSON_TOKEN.finditer(body, max(opened, 0)):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth <= 0:
                if element := body[start : match.start()].strip():
                    yield BodyEvent(start, match.start(), element)
                return
        elif token == b"," and depth == 1:
            yield BodyEvent(start, match.start(), body[start : match.start()].strip())
            start = match.end()
    if element := body[max(start, 0) :].strip():
        yield BodyEvent(max(start, 0), len(body), element, whole=False)


def _split_whole(body: bytes) -> Iterator[BodyEvent]:
    if body:
        yield BodyEvent(0, len(body), body)


def _split_nothing(body: bytes) -> Iterator[BodyEvent]:  # noqa: ARG001 - not read
    yield from ()


def _same(event: bytes, document: bytes) -> bytes:  # noqa: ARG001 - the document is the whole event
    return document


SSE: Final = Framing("sse", _split_sse, _replace_sse, comment=b": %b\n\n")
LINES: Final = Framing("lines", _split_lines, _replace_line)
AWS: Final = Framing("aws", _split_aws, with_payload)
ARRAY: Final = Framing("array", _split_array, _replace_line, b",", b"]")
WHOLE: Final = Framing("whole", _split_whole, _same)
OPAQUE: Final = Framing("opaque", _split_nothing, _same)
"""A body that is compressed."""

_BY_TYPE: Final = {
    "text/event-stream": SSE,
    "application/x-ndjson": LINES,
    "application/ndjson": LINES,
    "application/jsonl": LINES,
    "application/stream+json": LINES,
    "application/vnd.amazon.eventstream": AWS,
}
