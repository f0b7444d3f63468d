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

# Amazon Transcribe's "event stream encoding" page; the limits are those of botocore's parser.
_PRELUDE = Struct("!III")
_CRC = Struct("!I")
_PRELUDE_SIZE = 12
_OVERHEAD = 16
_MAX_HEADERS = 128 * 1024
_MAX_PAYLOAD = 24 * 1024 * 1024
_INTEGERS = {2: Struct("!b"), 3: Struct("!h"), 4: Struct("!i"), 5: Struct("!q")}
_unpack_prelude, _unpack_crc = _PRELUDE.unpack_from, _CRC.unpack_from
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_HEADERS = 64


class Frame(NamedTuple):
    """One frame whose checksums are right."""

    headers: Mapping[str, HeaderValue]
    payload: bytes


class AWSEventStreamFraming:
    """Cuts a byte stream into frames, in linear time whatever the split.

    A frame with a wrong checksum, or that no frame can look like, is a DecodeError with the frame's number and byte
    offset: `feed` raises it after the frames before it, `feed_data` leaves it in `fault`.
    """

    __slots__ = ("_cut_last", "_envelopes", "_frame", "_held", "_need", "_offset", "_pieces", "fault")

    what = "an AWS event stream"

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._need = _PRELUDE_SIZE
        self._offset = 0
        self._frame = 0
        self._envelopes: dict[bytes, tuple[bytes, bool]] = {}
        self._cut_last: list[tuple[bytes, bytes]] = []
        self.fault: DecodeError | None = None

    @staticmethod
    def may_begin(body: bytes) -> bool:
        """Whether a body that begins so can be an event stream: a frame begins with its size."""
        return body[:1] in (b"", b"\0", b"\1")

    def offsets(self, region: bytes, start: int, documents: Sequence[bytes]) -> list[int]:  # noqa: ARG002
        """Where the payloads begin of the frames that were cut last."""
        found: list[int] = []
        at = self._offset - sum(map(_size, self._cut_last))
        for frame in self._cut_last[: len(documents)]:
            found.append(at + _PRELUDE_SIZE + len(frame[0]))
            at += _size(frame)
        return found

    @property
    def rest(self) -> bytes:
        """The bytes of the frame that is not complete yet."""
        return b"".join(self._pieces)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that end in `data`, in order."""
        frames, number, offset = self._cut(data), self._frame, self._offset
        number, offset = number - len(frames), offset - sum(map(_size, frames))
        for frame in frames:
            yield Frame(_read_headers(frame[0], number, offset), frame[1])
            number, offset = number + 1, offset + _size(frame)
        if self.fault is not None:
            raise self.fault

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the frames that end in `data` as JSON documents, those before a fault if there is one.

        An event is `{"<its type>": <payload>}`, as the SDKs hand it out; an exception is
        `{":exception-type": "...", ":payload": ...}` and an error `{":error-code": "...", ":error-message": "..."}`,
        named as in the frame.
        """
        frames = self._cut_last = self._cut(data)
        documents: list[bytes] = []
        envelopes = self._envelopes
        for headers, payload in frames:
            # A stream has half a dozen different header blocks.
            envelope = envelopes.get(headers)
            if envelope is None:
                envelope = self._envelope(headers, frames, len(documents))
                if envelope is None:
                    break
            head, is_event = envelope
            documents.append(head + ((payload or b"{}") if is_event else _json_payload(payload)) + b"}")
        return documents

    def _envelope(self, headers: bytes, frames: list[tuple[bytes, bytes]], position: int) -> tuple[bytes, bool] | None:
        """What stands around the payload of a frame with these headers; None if they can't be read."""
        behind = frames[position:]
        try:
            read = _read_headers(headers, self._frame - len(behind), self._offset - sum(map(_size, behind)))
        except DecodeError as fault:
            self.fault = fault
            return None
        envelope = _envelope(read)
        if len(self._envelopes) < _KEPT_HEADERS:
            self._envelopes[headers] = envelope
        return envelope

    def _cut(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that end in `data`, each as its block of headers and its payload; sets `fault`."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._need or self.fault is not None:
            return []
        buffer = b"".join(self._pieces) if len(self._pieces) > 1 else data
        at, size = 0, len(buffer)
        frames: list[tuple[bytes, bytes]] = []
        self._need = _PRELUDE_SIZE
        while size - at >= _PRELUDE_SIZE:
            total, headers_size, checksum = _unpack_prelude(buffer, at)
            if crc32(buffer[at : at + 8]) != checksum:
                self.fault = self._bad(len(frames), at, "has a wrong prelude checksum")
                break
            if headers_size > _MAX_HEADERS or not 0 <= total - headers_size - _OVERHEAD <= _MAX_PAYLOAD:
                self.fault = self._bad(len(frames), at, f"claims {headers_size} bytes of headers in {total}")
                break
            if size - at < total:
                self._need = total
                break
            end = at + total - 4
            head = at + _PRELUDE_SIZE
            # The checksum of the whole goes on from that of its first eight bytes.
            if crc32(buffer[at + 8 : end], checksum) != _unpack_crc(buffer, end)[0]:
                hint = "Was it damaged or edited on the way?"
                self.fault = self._bad(len(frames), at, "has a wrong message checksum", hint)
                break
            body = head + headers_size
            frames.append((buffer[head:body], buffer[body:end]))
            at = end + 4
        self._pieces = [buffer[at:]] if at < size else []
        self._held = size - at
        self._offset += at
        self._frame += len(frames)
        return frames

    def _bad(self, frames: int, at: int, what: str, hint: str = "Is this an AWS event stream?") -> DecodeError:
        frame, offset = self._frame + frames, self._offset + at
        message = f"AWS event stream frame {frame} (at byte {offset}) {what}. {hint}"
        return DecodeError(message, event=frame, offset=offset)


def _size(frame: tuple[bytes, bytes]) -> int:
    return len(frame[0]) + len(frame[1]) + _OVERHEAD


def _read_headers(block: bytes, frame: int, offset: int) -> dict[str, HeaderValue]:
    try:
        return parse_headers(block)
    except (ValueError, OverflowError) as error:
        message = f"AWS event stream frame {frame} (at byte {offset}) has headers that can't be read: {error}"
        raise DecodeError(message, event=frame, offset=offset) from error


def parse_headers(block: bytes) -> dict[str, HeaderValue]:
    """Parse the headers of a frame. Raises ValueError."""
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(block):
        raw_name, at = _sized(block, at, 1)
        name = raw_name.decode()
        if name in headers:
            raise ValueError(f"{name!r} is there twice")
        if at >= len(block):
            raise ValueError("they end too early")
        headers[name], at = _value(block, at + 1, block[at])
    return headers


def _value(block: bytes, at: int, kind: int) -> tuple[HeaderValue, int]:
    match kind:
        case 0 | 1:
            return kind == 0, at
        case 2 | 3 | 4 | 5:
            number = _INTEGERS[kind]
            return number.unpack(_taken(block, at, number.size))[0], at + number.size
        case 6:
            return _sized(block, at, 2)
        case 7:
            raw, at = _sized(block, at, 2)
            return raw.decode(), at
        case 8:
            milliseconds = _INTEGERS[5].unpack(_taken(block, at, 8))[0]
            return _EPOCH + timedelta(milliseconds=milliseconds), at + 8
        case 9:
            return uuid.UUID(bytes=_taken(block, at, 16)), at + 16
        case _:
            raise ValueError(f"there is no header type {kind}")


def _sized(block: bytes, at: int, width: int) -> tuple[bytes, int]:
    size = int.from_bytes(_taken(block, at, width), "big")
    return _taken(block, at + width, size), at + width + size


def _taken(block: bytes, at: int, size: int) -> bytes:
    taken = block[at : at + size]
    if len(taken) < size:
        raise ValueError("they end too early")
    return taken


def _envelope(headers: Mapping[str, HeaderValue]) -> tuple[bytes, bool]:
    """What stands in the document before the payload, and whether it is an event."""
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
    """A payload that may be empty or plain text, as JSON."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(payload.decode("utf-8", "replace"))
    return payload


def _json_string(value: HeaderValue | None) -> bytes:
    return msgspec.json.encode("" if value is None else str(value))
