"""What Gemini streams: server-sent events with `alt=sse`, else a JSON array; the first byte tells which."""

from __future__ import annotations

from tokentape.framing.json_array import JSONArrayFraming
from tokentape.framing.sse import SSEFraming, parse_event, split_plain_data

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"


class GeminiFraming:
    """Cuts either of the two into the JSON documents of its chunks."""

    __slots__ = ("_array", "_before", "_first", "_sse")

    def __init__(self) -> None:
        self._array: JSONArrayFraming | None = None
        self._sse: SSEFraming | None = None
        self._before: list[bytes] = []
        self._first = b""

    @property
    def rest(self) -> bytes:
        """What belongs to no whole document yet."""
        if self._sse is not None:
            return self._sse.rest
        return self._first if self._array is None else self._array.rest

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the documents that end in `data`."""
        if self._sse is not None:
            return self._events(self._sse.complete(data))
        if self._array is not None:
            return self._array.feed_data(data)
        self._before.append(data)
        self._first = (self._first + data).lstrip(_BLANK)
        begin = self._first.removeprefix(_BOM).lstrip(_BLANK)
        if not begin or _BOM.startswith(self._first):
            self._first = self._first[:3]
            return []
        whole = b"".join(self._before)
        self._before.clear()
        if begin.startswith(b"["):
            self._array = JSONArrayFraming()
            return self._array.feed_data(whole[whole.index(b"[") :])
        self._sse = SSEFraming()
        return self._events(self._sse.complete(whole))

    def _events(self, block: bytes) -> list[bytes]:
        found = split_plain_data(block)
        if found is not None:
            return found
        # An error is sent as plain JSON lines, without `data:`.
        return [document for event in block.split(b"\n\n") if (document := _document(event)) is not None]


def _document(event: bytes) -> bytes | None:
    parsed = parse_event(event)
    if parsed is not None:
        return parsed[1]
    return event if event.lstrip().startswith(b"{") else None
