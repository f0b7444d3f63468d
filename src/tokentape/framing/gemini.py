"""The framing of Gemini: server-sent events with `alt=sse`, else a JSON array; the first byte shows which."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tokentape.framing.json_array import JSONArrayFraming
from tokentape.framing.sse import SSEFraming

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"


class GeminiFraming:
    """Splits either of the two into the JSON documents of its chunks."""

    __slots__ = ("_before", "_first", "_found", "feed_data")

    what = "a stream of server-sent events or a JSON array"

    def __init__(self) -> None:
        self._found: JSONArrayFraming | SSEFraming | None = None
        self.feed_data: Callable[[bytes], list[bytes]] = self._find
        self._before: list[bytes] = []
        self._first = b""

    @property
    def rest(self) -> bytes:
        """The bytes of the document that is incomplete so far."""
        return self._first if self._found is None else self._found.rest

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body with these first bytes can be either of the two."""
        return body.removeprefix(_BOM).lstrip()[:1] == b"[" or SSEFraming.may_begin(body)

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:
        """Return the offsets of the documents that end in `region`, which starts at byte `start`."""
        return [] if self._found is None else self._found.offsets(region, start, documents)

    def _find(self, data: bytes) -> list[bytes]:
        """Return the documents that end in `data`; the framing that its first byte shows reads what follows."""
        self._before.append(data)
        self._first = (self._first + data).lstrip(_BLANK)
        begin = self._first.removeprefix(_BOM).lstrip(_BLANK)
        if not begin or _BOM.startswith(self._first):
            self._first = self._first[:3]
            return []
        whole = b"".join(self._before)
        self._before.clear()
        if begin.startswith(b"["):
            self._found, whole = JSONArrayFraming(), whole[whole.index(b"[") :]
        else:
            self._found = SSEFraming()
        self.feed_data = self._found.feed_data
        return self.feed_data(whole)
