"""Chunked body: the pieces of an HTTP/1.1 response body, from the bytes that a client reads off the socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

_State = Literal["size", "data", "after data", "trailers", "done", "damaged"]


class PlainBody:
    """A body of `length` bytes, or up to the end of the connection where `length` is None."""

    def __init__(self, length: int | None) -> None:
        self._left = length

    damaged = False

    @property
    def ended(self) -> bool:
        """Whether all of its length has arrived."""
        return self._left == 0

    @property
    def may_end(self) -> bool:
        """Whether the connection's end is the body's end."""
        return self._left is None or self._left == 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces of the body in these bytes."""
        if self._left is not None:
            self._left -= len(data)
        if data:
            yield data


class ChunkedBody:
    """A body in chunked coding (RFC 9112, 7.1): each chunk is a piece, whatever the sizes that the client reads."""

    def __init__(self) -> None:
        self._state: _State = "size"
        self._line = b""
        self._left = 0
        self._chunk = bytearray()

    @property
    def ended(self) -> bool:
        """Whether the last chunk has arrived."""
        return self._state in ("trailers", "done")

    @property
    def damaged(self) -> bool:
        """Whether a size is not a number: the client raises its own error at this line."""
        return self._state == "damaged"

    @property
    def may_end(self) -> bool:
        """Whether the connection's end is the body's end."""
        return self.ended

    def partial_chunk(self) -> bytes:
        """The bytes of an incomplete chunk that have arrived."""
        return bytes(self._chunk)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The chunks that these bytes complete."""
        position = 0
        while position < len(data) and self._state not in ("done", "damaged"):
            if self._state == "data":
                taken = data[position : position + self._left]
                self._chunk += taken
                self._left -= len(taken)
                position += len(taken)
                if not self._left:
                    yield bytes(self._chunk)
                    self._chunk.clear()
                    self._state = "after data"
                continue
            end = data.find(b"\n", position)
            stop = len(data) if end < 0 else end + 1
            self._line += data[position:stop]
            position = stop
            if end >= 0:
                self._end_line()

    def _end_line(self) -> None:
        line, self._line = self._line.strip(), b""
        match self._state:
            case "after data":
                self._state = "size"
            case "size":
                try:
                    self._left = int(line.partition(b";")[0], 16)
                except ValueError:
                    self._state = "damaged"
                    return
                self._state = "data" if self._left else "trailers"
            case _:
                self._state = "trailers" if line else "done"
