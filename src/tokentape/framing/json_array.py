"""Streamed JSON arrays: bytes in, elements out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tokentape.framing.verbatim import verbatim_offsets

# Atomic groups, since Python before 3.11.5 matches too much by a possessive group with another repeat inside.
_OUTSIDE = re.compile(rb'(?>(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*)', re.DOTALL)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_BETWEEN = b" \t\r\n,"


def _nested(depth: int) -> bytes:
    """Return a pattern for an object or array with at most `depth` levels inside."""
    inner = b"|" + _nested(depth - 1) if depth else b""
    return rb'[\[{](?>(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"' + inner + rb")*)[\]}]"


# An element that is complete in `data` is matched in one step.
_ELEMENT = re.compile(_nested(9), re.DOTALL)

END = b"]"
"""Marks the end of the array among the elements, like `[DONE]` in other formats."""


class JSONArrayFraming:
    """Splits a JSON array of objects into its elements, in linear time for pieces of any size.

    Only brackets and strings are examined: the caller must check that an element is JSON. Text between the
    elements that is not an object is returned as an element too, so nothing is lost. The end of the array
    is returned as `END`.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._depth = 0
        self._in_string = False
        self._escaped = False

    @property
    def rest(self) -> bytes:
        """The bytes of the element that is incomplete so far."""
        return b"".join(self._pieces).lstrip(_BETWEEN)

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:
        """Return the offsets of the elements that end in `region`, which starts at byte `start`."""
        return verbatim_offsets(region, start, documents, b"".join(self._pieces))

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the elements that end in `data`."""
        found: list[bytes] = []
        start = position = 0
        while position < len(data):
            position = self._next_bracket(data, position)
            if position == len(data):
                break
            bracket = data[position]
            if self._depth == 1 and bracket in b"[{" and (whole := _ELEMENT.match(data, position)) is not None:
                self._flush(data[start:position], found)
                found.append(whole[0])
                start = position = whole.end()
                continue
            position += 1
            if bracket in b"[{":
                self._depth += 1
                if self._depth <= 2:
                    # The array or an element starts: the bytes before it are not part of it.
                    self._flush(data[start : position - 1], found)
                    start = position if self._depth == 1 else position - 1
            else:
                self._depth -= 1
                if self._depth == 1:
                    self._flush(data[start:position], found)
                    start = position
                elif self._depth <= 0:
                    self._depth = 0
                    self._flush(data[start : position - 1], found)
                    found.append(END)
                    start = position
        if start < len(data):
            self._pieces.append(data[start:])
        return found

    def _next_bracket(self, data: bytes, position: int) -> int:
        """Return the position of the next bracket outside of strings; the length of `data` if there is none."""
        while position < len(data):
            if self._escaped:
                self._escaped = False
                position += 1
            elif self._in_string:
                position = _end(_IN_STRING, data, position)
                if data[position : position + 1] == b'"':
                    self._in_string = False
                    position += 1
                elif position < len(data):  # the last byte is a backslash
                    self._escaped = True
                    position += 1
            else:
                position = _end(_OUTSIDE, data, position)
                if data[position : position + 1] != b'"':
                    return position
                self._in_string = True
                position += 1
        return position

    def _flush(self, last: bytes, found: list[bytes]) -> None:
        self._pieces.append(last)
        element = b"".join(self._pieces).strip(_BETWEEN)
        self._pieces.clear()
        if element:
            found.append(element)


def _end(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    match = pattern.match(data, position)
    assert match is not None  # both patterns also match the empty string
    return match.end()
