"""The framing of Gemini: server-sent events with `alt=sse`, else a JSON array; the first byte shows which."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape.framing.json_array import JSONArrayFraming
from tokentape.framing.sse import SSEFraming

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"


class GeminiFraming:
    """Splits either of the two into the JSON documents of its chunks."""

    __slots__ = ("_array", "_before", "_first", "_sse")

    what = "a stream of server-sent events or a JSON array"

    def __init__(self) -> None:
        self._array: JSONArrayFraming | None = None
        self._sse: SSEFraming | None = None
        self._before: list[bytes] = []
        self._first = b""

    @property
    def rest(self) -> bytes:
        """The bytes of the document that is incomplete so far."""
        if self._sse is not None:
            return self._sse.rest
        return self._first if self._array is None else self._array.rest

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body with these first bytes can be either of the two."""
        return body.removeprefix(_BOM).lstrip()[:1] == b"[" or SSEFraming.may_begin(body)

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:
        """Return the offsets of the documents that end in `region`, which starts at byte `start`."""
        framing = self._sse or self._array
        return framing.offsets(region, start, documents) if framing is not None else []

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the documents that end in `data`."""
        if self._sse is not None:
            return self._sse.feed_data(data)
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
        return self._sse.feed_data(whole)
