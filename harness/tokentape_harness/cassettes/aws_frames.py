"""AWS frames: the binary frames of an AWS event stream: a prelude, headers, a payload and a checksum."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple
from zlib import crc32

# The lengths of the whole frame and of its headers, then their checksum.
_PRELUDE = Struct("!III")
_SIZES = Struct("!II")
_CRC = Struct("!I")
_SMALLEST = _PRELUDE.size + _CRC.size


class AwsFrame(NamedTuple):
    """A frame, of which only `size` of `total` bytes exist if it was cut off after its headers."""

    size: int
    total: int
    headers: bytes
    payload: bytes

    def encode(self, headers: bytes, payload: bytes) -> bytes:
        """The frame with these parts. A frame that was cut off still lacks the same number of bytes of its payload."""
        sizes = _SIZES.pack(self.total + len(headers + payload) - len(self.headers + self.payload), len(headers))
        data = sizes + _CRC.pack(crc32(sizes)) + headers + payload
        return data if self.size < self.total else data + _CRC.pack(crc32(data))


def is_aws_event_stream(content_type: str) -> bool:
    """Whether this is the content type of an AWS event stream."""
    return content_type.partition(";")[0].strip().lower() == "application/vnd.amazon.eventstream"


def frame_ends(body: bytes) -> Iterator[int]:
    """Where each complete frame of a body ends."""
    position = 0
    while position + _SIZES.size <= len(body):
        total, _ = _SIZES.unpack_from(body, position)
        if total < _SMALLEST or position + total > len(body):
            return
        position += total
        yield position


def parse_frame(data: bytes) -> AwsFrame | None:
    """The frame in these bytes, complete or cut off after its headers; `None` if a damaged body has other bytes."""
    if len(data) < _PRELUDE.size:
        return None
    total, length, _ = _PRELUDE.unpack_from(data)
    start = _PRELUDE.size + length
    if len(data) > total or start > min(total - _CRC.size, len(data)):
        return None
    return AwsFrame(len(data), total, data[_PRELUDE.size : start], data[start : total - _CRC.size])
