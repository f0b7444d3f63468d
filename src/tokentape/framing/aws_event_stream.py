"""AWS event streams: bytes in, frames out (application/vnd.amazon.eventstream)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple, TypeAlias
from zlib import crc32

import msgspec

from tokentape.errors import DecodeError

HeaderValue: TypeAlias = bool | int | bytes | str | datetime | uuid.UUID

# From Amazon Transcribe's page "event stream encoding"; the limits are those of botocore's parser.
_PRELUDE = Struct("!III")
_CRC = Struct("!I")
_PRELUDE_SIZE = 12
_OVERHEAD = 16
_MAX_HEADERS = 128 * 1024
_MAX_PAYLOAD = 24 * 1024 * 1024
_INTEGERS = {2: Struct("!b"), 3: Struct("!h"), 4: Struct("!i"), 5: Struct("!q")}
_unpack_prelude, _unpack_crc = _PRELUDE.unpack_from, _CRC.unpack_from
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_CACHED_HEADERS = 64


class AWSFrame(NamedTuple):
    """One frame with valid checksums."""

    headers: Mapping[str, HeaderValue]
    payload: bytes


class AWSEventStreamFraming:
    """Splits a byte stream into frames, in linear time for pieces of any size.

    An invalid frame (wrong checksum, impossible sizes) is a DecodeError with the frame's number and byte offset:
    `feed` raises it after the frames before it, `feed_data` stores it in `fault`.
    """

    __slots__ = ("_buffered", "_envelopes", "_frame", "_last_frames", "_need", "_offset", "_pieces", "fault")

    what = "an AWS event stream"

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._need = _PRELUDE_SIZE
        self._offset = 0
        self._frame = 0
        self._envelopes: dict[bytes, tuple[bytes, bool]] = {}
        self._last_frames: list[tuple[bytes, bytes]] = []
        self.fault: DecodeError | None = None

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body with these first bytes can be an event stream: a frame starts with its size."""
        return body[:1] in (b"", b"\0", b"\1")

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:  # noqa: ARG002
        """Return the offsets of the payloads that `feed_data` returned last."""
        found: list[int] = []
        position = self._offset - sum(map(_size, self._last_frames))
        for frame in self._last_frames[: len(documents)]:
            found.append(position + _PRELUDE_SIZE + len(frame[0]))
            position += _size(frame)
        return found

    @property
    def rest(self) -> bytes:
        """The bytes of the frame that is incomplete so far."""
        return b"".join(self._pieces)

    def feed(self, data: bytes) -> Iterator[AWSFrame]:
        """Yield the frames that end in `data`, in order."""
        frames, number, offset = self._split(data), self._frame, self._offset
        number, offset = number - len(frames), offset - sum(map(_size, frames))
        for frame in frames:
            yield AWSFrame(_read_headers(frame[0], number, offset), frame[1])
            number, offset = number + 1, offset + _size(frame)
        if self.fault is not None:
            raise self.fault

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the frames that end in `data` as JSON documents; after an invalid frame, only those before it.

        An event is `{"<its type>": <payload>}`, as in the SDKs; an exception is
        `{":exception-type": "...", ":payload": ...}` and an error `{":error-code": "...", ":error-message": "..."}`,
        with the names of the frame's headers.
        """
        frames = self._last_frames = self._split(data)
        documents: list[bytes] = []
        envelopes = self._envelopes
        for headers, payload in frames:
            # A stream has only about six different header blocks.
            envelope = envelopes.get(headers)
            if envelope is None:
                envelope = self._envelope(headers, frames, len(documents))
                if envelope is None:
                    break
            head, is_event = envelope
            documents.append(head + ((payload or b"{}") if is_event else _json_payload(payload)) + b"}")
        return documents

    def _envelope(self, headers: bytes, frames: list[tuple[bytes, bytes]], position: int) -> tuple[bytes, bool] | None:
        """Return the JSON before the payload of frames with these headers; None (and a fault) if they are invalid."""
        behind = frames[position:]
        try:
            read = _read_headers(headers, self._frame - len(behind), self._offset - sum(map(_size, behind)))
        except DecodeError as fault:
            self.fault = fault
            return None
        envelope = _envelope(read)
        if len(self._envelopes) < _MAX_CACHED_HEADERS:
            self._envelopes[headers] = envelope
        return envelope

    def _split(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the frames that end in `data` as pairs of header block and payload; set `fault` at an invalid one."""
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered < self._need or self.fault is not None:
            return []
        buffer = b"".join(self._pieces) if len(self._pieces) > 1 else data
        position, size = 0, len(buffer)
        frames: list[tuple[bytes, bytes]] = []
        self._need = _PRELUDE_SIZE
        while size - position >= _PRELUDE_SIZE:
            total, headers_size, checksum = _unpack_prelude(buffer, position)
            if crc32(buffer[position : position + 8]) != checksum:
                self.fault = self._error(len(frames), position, "has a wrong prelude checksum")
                break
            if headers_size > _MAX_HEADERS or not 0 <= total - headers_size - _OVERHEAD <= _MAX_PAYLOAD:
                self.fault = self._error(len(frames), position, f"claims {headers_size} bytes of headers in {total}")
                break
            if size - position < total:
                self._need = total
                break
            end = position + total - 4
            head = position + _PRELUDE_SIZE
            # The message checksum continues the checksum of the first eight bytes.
            if crc32(buffer[position + 8 : end], checksum) != _unpack_crc(buffer, end)[0]:
                hint = "Was it damaged or edited on the way?"
                self.fault = self._error(len(frames), position, "has a wrong message checksum", hint)
                break
            body = head + headers_size
            frames.append((buffer[head:body], buffer[body:end]))
            position = end + 4
        self._pieces = [buffer[position:]] if position < size else []
        self._buffered = size - position
        self._offset += position
        self._frame += len(frames)
        return frames

    def _error(
        self, frames: int, position: int, problem: str, hint: str = "Is this an AWS event stream?"
    ) -> DecodeError:
        frame, offset = self._frame + frames, self._offset + position
        message = f"AWS event stream frame {frame} (at byte {offset}) {problem}. {hint}"
        return DecodeError(message, event=frame, offset=offset)


def _size(frame: tuple[bytes, bytes]) -> int:
    return len(frame[0]) + len(frame[1]) + _OVERHEAD


def _read_headers(block: bytes, frame: int, offset: int) -> dict[str, HeaderValue]:
    try:
        return parse_headers(block)
    except (ValueError, OverflowError) as error:
        message = f"AWS event stream frame {frame} (at byte {offset}) has invalid headers: {error}"
        raise DecodeError(message, event=frame, offset=offset) from error


def parse_headers(block: bytes) -> dict[str, HeaderValue]:
    """Parse the headers of a frame. Raises ValueError."""
    headers: dict[str, HeaderValue] = {}
    position = 0
    while position < len(block):
        raw_name, position = _read_sized(block, position, 1)
        name = raw_name.decode()
        if name in headers:
            raise ValueError(f"there are two {name!r}")
        if position >= len(block):
            raise ValueError("they end too early")
        headers[name], position = _value(block, position + 1, block[position])
    return headers


def _value(block: bytes, position: int, kind: int) -> tuple[HeaderValue, int]:
    match kind:
        case 0 | 1:
            return kind == 0, position
        case 2 | 3 | 4 | 5:
            number = _INTEGERS[kind]
            return number.unpack(_slice(block, position, number.size))[0], position + number.size
        case 6:
            return _read_sized(block, position, 2)
        case 7:
            raw, position = _read_sized(block, position, 2)
            return raw.decode(), position
        case 8:
            milliseconds = _INTEGERS[5].unpack(_slice(block, position, 8))[0]
            return _EPOCH + timedelta(milliseconds=milliseconds), position + 8
        case 9:
            return uuid.UUID(bytes=_slice(block, position, 16)), position + 16
        case _:
            raise ValueError(f"there is no header type {kind}")


def _read_sized(block: bytes, position: int, width: int) -> tuple[bytes, int]:
    size = int.from_bytes(_slice(block, position, width), "big")
    return _slice(block, position + width, size), position + width + size


def _slice(block: bytes, position: int, size: int) -> bytes:
    found = block[position : position + size]
    if len(found) < size:
        raise ValueError("they end too early")
    return found


def _envelope(headers: Mapping[str, HeaderValue]) -> tuple[bytes, bool]:
    """Return the JSON before the payload, and whether the frame is an event."""
    match headers.get(":message-type"):
        case "exception":
            return b'{":exception-type":%b,":payload":' % _json_string(headers.get(":exception-type")), False
        case "error":
            code, message = headers.get(":error-code"), headers.get(":error-message")
            return b'{":error-code":%b,":error-message":%b,":payload":' % (
                _json_string(code),
                _json_string(message),
            ), False
        case _:
            return b"{%b:" % _json_string(headers.get(":event-type")), True


def _json_payload(payload: bytes) -> bytes:
    """Return a payload that may be empty or plain text as JSON."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(payload.decode("utf-8", "replace"))
    return payload


def _json_string(value: HeaderValue | None) -> bytes:
    return msgspec.json.encode("" if value is None else str(value))
