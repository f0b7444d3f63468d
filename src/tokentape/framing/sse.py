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
    """Cuts a byte stream into events, in linear time whatever the split.

    `feed(data)` gives the events that `data` completes, as pairs of event name (`b""` if none was given) and
    data. Comments, `id` and `retry` are read and dropped. As the specification says, an event that no blank
    line ends is not an event: what is left over at the end is in `rest`.

    `feed_data` gives wire formats their documents, which are the data, and what servers send for errors where no data
    is: a field named `error`, an event named so, and JSON with no field before it.
    """

    what = "a stream of server-sent events"

    __slots__ = ("_bom", "_cr", "_tail", "_tail_ends_line")

    def __init__(self) -> None:
        self._tail: list[bytes] = []
        self._tail_ends_line = False
        self._cr = False
        self._bom: bytes | None = b""

    @property
    def rest(self) -> bytes:
        """The bytes of the event that is not complete yet, with line ends as LF."""
        return (self._bom or b"") + b"".join(self._tail)

    def feed(self, data: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Return the events that end in `data`, in order, as pairs of name and data."""
        return split_events(self.complete(data))

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the data of the events that end in `data`, for formats that say in the data what it is."""
        block = self.complete(data)
        return split_data(block) if block else []

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body that begins so can be an event stream: its first line has a field, a comment, or JSON."""
        line = body.removeprefix(_BOM).lstrip()
        field, colon, _ = line.partition(b":")
        if not field or field[:1] == b"{":
            return True
        return field in _FIELDS or (not colon and any(known.startswith(field) for known in _FIELDS))

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:  # noqa: ARG002
        """Where the documents begin whose events end in `region`, which begins at byte `start`."""
        found: list[int] = []
        lines: list[tuple[int, bytes]] = []
        for match in _LINE.finditer(region, len(_BOM) if start == 0 and region.startswith(_BOM) else 0):
            if match[1]:
                lines.append((start + match.start(), match[1]))
            else:
                found += [at for at, _ in _documents(lines)]
                lines.clear()
        return found

    def complete(self, data: bytes) -> bytes:
        """Return the whole events that end in `data` as one block, line ends as LF; keep the rest."""
        if self._bom is not None:
            data = self._strip_bom(data)
        if self._cr and data:
            # A CRLF was split: its CR has ended the line already.
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
        # One leading U+FEFF is ignored; it can arrive a byte at a time.
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
    """The documents of one event."""
    head = _HEAD.match(event)
    if head is not None and event.find(b"\n", head.end()) < 0:
        return [event[head.end() :]]
    return [document for _, document in _documents([(0, line) for line in event.split(b"\n")])]


def _documents(lines: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The documents of the lines of one event, and where each begins."""
    name, data, others, plain = b"", list[tuple[int, bytes]](), list[tuple[int, bytes]](), list[tuple[int, bytes]]()
    for at, line in lines:
        field, _, value = line.partition(b":")
        begin = at + len(field) + 1 + (value[:1] == b" ")
        if field in (b"data", b"error"):
            given = (begin, value.removeprefix(b" "))
            data.append(given) if field == b"data" else others.append((begin, _as_error(given[1])))
        elif field == b"event":
            name = value.removeprefix(b" ")
        elif plain or line.lstrip()[:1] == b"{":
            plain.append((at, line))
    if len(data) > 1 and not all(map(_is_whole, data)):
        # Lines of one document. Those that are documents of their own had no blank line between them.
        data = [(data[0][0], b"\n".join(value for _, value in data))]
    if plain:
        others.append((plain[0][0], b"\n".join(line for _, line in plain)))
    if name == b"error":
        data = [(at, _as_error(value)) for at, value in data]
        if not data and not others:
            others.append((lines[0][0], _as_error(b"an error event without data")))
    return data + others


def _is_whole(data: tuple[int, bytes]) -> bool:
    document = data[1].strip()
    return (document[:1] == b"{" and document[-1:] == b"}") or document in (b"[DONE]", b"")


def _as_error(said: bytes) -> bytes:
    """The document of an error, which says that it is one."""
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        value = said.decode("utf-8", "replace")
    if said.strip() == b"[DONE]" or (isinstance(value, dict) and b'"error"' in said):
        return said  # it says itself where the error is
    return json.dumps({"error": value}).encode()


def split_plain_data(block: bytes) -> list[bytes] | None:
    """As `split_data`, if that can be done without a loop over lines; else None.

    Most of the events of a block begin as the one in its middle does, with a `data:` line, or with an `event:` line of
    the same name and a `data:` line.
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
    """The data of events that begin with `head`, but for some at the start and at the end; None if they are mixed."""
    first, *found, last = block.split(b"\n\n" + head)
    # Those with a line feed in them are of several lines, or have an event of another kind behind them.
    if not found or b"\n" in b"".join(found):
        return None
    data, _, rest = last.partition(b"\n\n")
    if b"\n" in data:
        return None
    return [*_split(first), *found, data, *_split(rest)]


def _split(block: bytes) -> list[bytes]:
    return [document for event in block.split(b"\n\n") for document in event_documents(event)]


def split_events(block: bytes) -> list[tuple[bytes, bytes]]:
    """Split whole events, whose lines end in LF and the last of which is blank, into pairs of name and data."""
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
