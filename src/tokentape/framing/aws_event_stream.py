"""AWS event streams: bytes in, frames out (application/vnd.amazon.eventstream)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
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

    __slots__ = ("_envelopes", "_frame", "_held", "_need", "_offset", "_pieces", "fault")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._need = _PRELUDE_SIZE
        self._offset = 0
        self._frame = 0
        self._envelopes: dict[bytes, tuple[bytes, bool]] = {}
        self.fault: DecodeError | None = None

    @property
    def rest(self) -> bytes:
        """The bytes of the frame that is not complete yet."""
        return b"".join(self._pieces)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that end in `data`, in order."""
        for headers, payload in self._frames(data):
            yield Frame(self._headers(headers, len(payload)), payload)

    def feed_data(self, data: bytes) -> list[bytes]:
        """Return the frames that end in `data` as JSON documents, those before a fault if there is one.

        An event is `{"<its type>": <payload>}`, as the SDKs hand it out; an exception is
        `{":exception-type": "...", ":payload": ...}` and an error `{":error-code": "...", ":error-message": "..."}`,
        named as in the frame.
        """
        documents: list[bytes] = []
        envelopes = self._envelopes
        try:
            for headers, payload in self._frames(data):
                # A stream has half a dozen different header blocks.
                envelope = envelopes.get(headers)
                if envelope is None:
                    envelope = _envelope(self._headers(headers, len(payload)))
                    if len(envelopes) < _KEPT_HEADERS:
                        envelopes[headers] = envelope
                head, is_event = envelope
                documents.append(head + ((payload or b"{}") if is_event else _json_payload(payload)) + b"}")
        except DecodeError as fault:
            self.fault = fault
        return documents

    def _frames(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._need:
            return
        buffer = b"".join(self._pieces) if len(self._pieces) > 1 else data
        at, size = 0, len(buffer)
        self._need = _PRELUDE_SIZE
        try:
            while size - at >= _PRELUDE_SIZE:
                total, headers_size, checksum = _PRELUDE.unpack_from(buffer, at)
                if crc32(buffer[at : at + 8]) != checksum:
                    raise self._bad("has a wrong prelude checksum", "Is this an AWS event stream?")
                payload_size = total - headers_size - _OVERHEAD
                if payload_size < 0 or headers_size > _MAX_HEADERS or payload_size > _MAX_PAYLOAD:
                    raise self._bad(f"claims {headers_size} bytes of headers in {total}")
                if size - at < total:
                    self._need = total
                    break
                end = at + total - 4
                if crc32(buffer[at:end]) != _CRC.unpack_from(buffer, end)[0]:
                    raise self._bad("has a wrong message checksum", "Was it damaged or edited on the way?")
                head = at + _PRELUDE_SIZE
                found = buffer[head : head + headers_size], buffer[head + headers_size : end]
                at += total
                self._offset += total
                self._frame += 1
                yield found
        finally:
            self._pieces = [buffer[at:]] if at < size else []
            self._held = size - at

    def _headers(self, block: bytes, payload_size: int) -> Mapping[str, HeaderValue]:
        try:
            return parse_headers(block)
        except (ValueError, IndexError, OverflowError) as error:
            raise DecodeError(
                f"AWS event stream frame {self._frame - 1} (at byte "
                f"{self._offset - len(block) - payload_size - _OVERHEAD}) has headers that can't be read: {error}",
                event=self._frame - 1,
                offset=self._offset - len(block) - payload_size - _OVERHEAD,
            ) from error

    def _bad(self, what: str, hint: str = "Is this an AWS event stream?") -> DecodeError:
        return DecodeError(
            f"AWS event stream frame {self._frame} (at byte {self._offset}) {what}. {hint}",
            event=self._frame,
            offset=self._offset,
        )


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
