"""A JSON array that is streamed: bytes in, elements out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tokentape.framing.verbatim import verbatim_offsets

_OUTSIDE = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_BETWEEN = b" \t\r\n,"


def _nested(depth: int) -> bytes:
    """A pattern for an object or array that has no more than `depth` others in one another."""
    inner = b"|" + _nested(depth - 1) if depth else b""
    return rb'[\[{](?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"' + inner + rb")*+[\]}]"


# An element that is there as a whole is cut out in one step.
_ELEMENT = re.compile(_nested(9), re.DOTALL)

END = b"]"
"""What stands for the end of the array among the elements, as `[DONE]` does in other formats."""


class JSONArrayFraming:
    """Cuts a JSON array of objects into its elements, in linear time whatever the split.

    It looks at brackets and strings only: whether an element is JSON is for its reader to find out. What
    stands between the elements and is no object is an element too, so that nothing is lost. The end of the
    array gives `END`.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._depth = 0
        self._in_string = False
        self._escaped = False

    @property
    def rest(self) -> bytes:
        """The bytes of the element that is not complete yet."""
        return b"".join(self._pieces).lstrip(_BETWEEN)

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:
        """Where the elements begin that end in `region`, which begins at byte `start`."""
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
                    # The array begins, or an element: what stands before it is no part of it.
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
        """Where the next bracket is that stands in no string; the length of `data` if it has none."""
        while position < len(data):
            if self._escaped:
                self._escaped = False
                position += 1
            elif self._in_string:
                position = _end(_IN_STRING, data, position)
                if data[position : position + 1] == b'"':
                    self._in_string = False
                    position += 1
                elif position < len(data):  # a backslash is the last byte
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
    assert match is not None  # both patterns match nothing too
    return match.end()
