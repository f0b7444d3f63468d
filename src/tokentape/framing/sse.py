"""Server-sent events: bytes in, events out (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BOM = b"\xef\xbb\xbf"
_HEAD = re.compile(rb"(?:event: ([^\n]*)\n)?data: ")


class SSEFraming:
    """Cuts a byte stream into events, in linear time whatever the split.

    `feed(data)` gives the events that `data` completes, as pairs of event name (`b""` if none was given) and
    data. Comments, `id` and `retry` are read and dropped. As the specification says, an event that no blank
    line ends is not an event: what is left over at the end is in `rest`.
    """

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
    """Split whole events into their data; as `split_events`, without the names."""
    found = split_plain_data(block)
    return [data for _, data in split_events(block)] if found is None else found


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
        event = parse_event(block[:-2])
        return None if event is None else [event[1]]
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
    return [*(d for _, d in split_events(first)), *found, data, *(d for _, d in split_events(rest))]


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
