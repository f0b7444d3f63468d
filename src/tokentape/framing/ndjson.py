"""Newline-delimited JSON: bytes in, lines out."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape.framing.verbatim import verbatim_offsets

_BOM = b"\xef\xbb\xbf"


class NDJSONFraming:
    """Splits a byte stream into lines, in linear time for pieces of any size; drops blank lines and a leading BOM."""

    __slots__ = ("_first", "_tail")

    what = "lines of JSON"

    def __init__(self) -> None:
        self._tail: list[bytes] = []
        self._first = True

    @property
    def rest(self) -> bytes:
        """The bytes of the line that has no line feed so far."""
        rest = b"".join(self._tail)
        return rest.removeprefix(_BOM) if self._first else rest

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body with these first bytes can be lines of JSON objects."""
        return body.removeprefix(_BOM).lstrip()[:1] in (b"", b"{")

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:
        """Return the offsets of the lines that end in `region`, which starts at byte `start`."""
        return verbatim_offsets(region, start, documents, b"".join(self._tail))

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`, in order."""
        if not self._tail and not self._first:
            line, end, rest = data.partition(b"\n")
            if end and not rest:  # the usual case on a network: one whole line
                line = line.strip()
                return [line] if line else []
        if 10 not in data:
            if data:
                self._tail.append(data)
            return []
        if self._tail:
            self._tail.append(data)
            data = b"".join(self._tail)
            self._tail.clear()
        if self._first:
            self._first = False
            data = data.removeprefix(_BOM)
        lines = data.split(b"\n")
        if lines[-1]:
            self._tail.append(lines[-1])
        del lines[-1]
        return [line for line in map(bytes.strip, lines) if line]
