"""Server-sent events: bytes in, events out (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

_BOM = b"\xef\xbb\xbf"
_HEAD = re.compile(rb"(?:event: (?!error\n)([^\n]*)\n)?data: ")
_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n)")
_FIELDS = (b"data", b"event", b"id", b"retry", b"error")


class SSEFraming:
    """Splits a byte stream into events, in linear time for pieces of any size.

    `feed(data)` returns the events that `data` completes, as pairs of event name (`b""` if there is none) and
    data. Comments, `id` and `retry` are dropped. According to the specification an event ends with a blank line;
    an unfinished one at the end of the input is in `rest`.

    `feed_data` returns the documents for wire formats: the data of the events, and the errors that servers send
    without `data`: in a field or an event named `error`, or as JSON without a field.
    """

    what = "a stream of server-sent events"

    __slots__ = ("_bom", "_cr", "_head", "_tail", "_tail_ends_line")

    def __init__(self) -> None:
        self._tail: list[bytes] = []
        self._tail_ends_line = False
        self._cr = False
        self._bom: bytes | None = b""
        # What the last event had before its data, if it came alone and whole: nothing of another event is waiting then.
        self._head = b""

    @property
    def rest(self) -> bytes:
        """The bytes of the event that is incomplete so far, with line ends as LF."""
        return (self._bom or b"") + b"".join(self._tail)

    def feed(self, data: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Return the events that end in `data`, in order, as pairs of name and data."""
        return split_events(self.complete(data))

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the data of the events that end in `data`, for formats that do not need the event names."""
        rest = data.removeprefix(self._head)
        if rest != data:
            # The usual case on a network: one whole event, which begins as the last one did.
            document, _, end = rest.partition(b"\n")
            if end == b"\r\n":
                document, _, end = document.partition(b"\r")
                if not end:
                    return [document]
            elif end == b"\n" and 13 not in document:
                return [document]
        block = self.complete(data)
        documents = split_data(block) if block else []
        if len(documents) == 1 and not self._tail and not self._cr:
            head = _HEAD.match(block)
            self._head = head[0] if head is not None else b""
        return documents

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body with these first bytes can be an event stream: it starts with a field, a comment or JSON."""
        line = body.removeprefix(_BOM).lstrip()
        field, colon, _ = line.partition(b":")
        if not field or field[:1] == b"{":
            return True
        return field in _FIELDS or (not colon and any(known.startswith(field) for known in _FIELDS))

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:  # noqa: ARG002
        """Return the offsets of the documents whose events end in `region`, which starts at byte `start`."""
        found: list[int] = []
        lines: list[tuple[int, bytes]] = []
        # Without the unfinished line at the end, in which the search would begin again at each byte.
        end = max(region.rfind(b"\n"), region.rfind(b"\r")) + 1
        for match in _LINE.finditer(region, len(_BOM) if start == 0 and region.startswith(_BOM) else 0, end):
            if match[1]:
                lines.append((start + match.start(), match[1]))
            else:
                found += [position for position, _ in _documents(lines)]
                lines.clear()
        return found

    def complete(self, data: bytes) -> bytes:
        """Return the whole events that end in `data` as one block, line ends as LF; keep the rest."""
        self._head = b""
        if self._bom is not None:
            data = self._strip_bom(data)
        if self._cr and data:
            # A CRLF was split between two pieces: its CR has ended the line already.
            self._cr = False
            if data[0] == 10:
                data = data[1:]
        if not data:
            return b""
        if b"\r" in data:
            self._cr = data[-1] == 13
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        tail = self._tail
        if tail:
            tail.append(data)
            if b"\n\n" not in data and not (self._tail_ends_line and data[0] == 10):
                self._tail_ends_line = data[-1] == 10
                return b""
            data = b"".join(tail)
            tail.clear()
        if data.endswith(b"\n\n"):
            return data
        self._tail_ends_line = data[-1] == 10
        end = data.rfind(b"\n\n")
        if end < 0:
            tail.append(data)
            return b""
        tail.append(data[end + 2 :])
        return data[: end + 2]

    def _strip_bom(self, data: bytes) -> bytes:
        # One leading U+FEFF is ignored; it can arrive byte by byte.
        start = (self._bom or b"") + data
        if len(start) < 3 and _BOM.startswith(start):
            self._bom = start
            return b""
        self._bom = None
        return start[3:] if start.startswith(_BOM) else start


def split_data(block: bytes) -> list[bytes]:
    """Split whole events into the documents of wire formats."""
    found = split_plain_data(block)
    if found is not None:
        return found
    return _split(block)


def event_documents(event: bytes) -> list[bytes]:
    """Return the documents of one event."""
    head = _HEAD.match(event)
    if head is not None and event.find(b"\n", head.end()) < 0:
        return [event[head.end() :]]
    return [document for _, document in _documents([(0, line) for line in event.split(b"\n")])]


def _documents(lines: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the documents in the lines of one event, each with its offset."""
    name, data, others, plain = b"", list[tuple[int, bytes]](), list[tuple[int, bytes]](), list[tuple[int, bytes]]()
    for position, line in lines:
        field, _, value = line.partition(b":")
        start = position + len(field) + 1 + (value[:1] == b" ")
        if field in (b"data", b"error"):
            error_object = (start, value.removeprefix(b" "))
            data.append(error_object) if field == b"data" else others.append((start, _as_error(error_object[1])))
        elif field == b"event":
            name = value.removeprefix(b" ")
        elif plain or line.lstrip()[:1] == b"{":
            plain.append((position, line))
    if len(data) > 1 and not all(map(_is_whole, data)):
        # Lines of one document. If each line is a whole document, only the blank lines between events are missing.
        data = [(data[0][0], b"\n".join(value for _, value in data))]
    if plain:
        others.append((plain[0][0], b"\n".join(line for _, line in plain)))
    if name == b"error":
        data = [(position, _as_error(value)) for position, value in data]
        if not data and not others:
            others.append((lines[0][0], _as_error(b"an error event without data")))
    return data + others


def _is_whole(data: tuple[int, bytes]) -> bool:
    document = data[1].strip()
    return (document[:1] == b"{" and document[-1:] == b"}") or document in (b"[DONE]", b"")


def _as_error(data: bytes) -> bytes:
    """Return an error as a document that can be recognised as one."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = data.decode("utf-8", "replace")
    if data.strip() == b"[DONE]" or (isinstance(value, dict) and b'"error"' in data):
        return data  # it has an `error` already
    return json.dumps({"error": value}).encode()


def split_plain_data(block: bytes) -> list[bytes] | None:
    """Like `split_data`, but without a loop over lines; None if that is impossible.

    Most events of a block start like the one in its middle: with a `data:` line, or with an `event:` line of the same
    name and a `data:` line.
    """
    if block.startswith(b"data: "):
        found = block[6:-2].split(b"\n\ndata: ")
        if block.count(b"\n") == 2 * len(found):
            return found
    elif block.find(b"\n\n") == len(block) - 2:
        return event_documents(block[:-2])
    middle = block.rfind(b"\n\n", 0, len(block) // 2) + 2
    head = _HEAD.match(block, middle) if middle > 1 else None
    return None if head is None else _split_alike(block, head[0])


def _split_alike(block: bytes, head: bytes) -> list[bytes] | None:
    """Return the data of events that start with `head`, except some at the beginning and the end; None if mixed."""
    first, *found, last = block.split(b"\n\n" + head)
    # A line feed inside one means an event of several lines, or an event of another kind after it.
    if not found or b"\n" in b"".join(found):
        return None
    data, _, rest = last.partition(b"\n\n")
    if b"\n" in data:
        return None
    return [*_split(first), *found, data, *_split(rest)]


def _split(block: bytes) -> list[bytes]:
    return [document for event in block.split(b"\n\n") for document in event_documents(event)]


def split_events(block: bytes) -> list[tuple[bytes, bytes]]:
    """Split whole events (lines end in LF, the last one is blank) into pairs of name and data."""
    return [event for event in map(parse_event, block.split(b"\n\n")) if event is not None]


def parse_event(block: bytes) -> tuple[bytes, bytes] | None:
    """Parse the lines of one event; None if it has no data."""
    head = _HEAD.match(block)
    if head is not None and block.find(b"\n", head.end()) < 0:
        return head[1] or b"", block[head.end() :]
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return (name, b"\n".join(data)) if data else None
