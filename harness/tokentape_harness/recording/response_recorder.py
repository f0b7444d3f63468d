"""Response recorder: records one response while it arrives."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS, Sender, WebSocket, WebSocketClose, WebSocketFrame
from tokentape_harness.cassettes.chunks import chunks_of
from tokentape_harness.cassettes.content_coding import ContentCodingError, ContentDecoder, split_codings
from tokentape_harness.cassettes.model import Response, StreamRecord, header_values
from tokentape_harness.errors import CassetteWarning
from tokentape_harness.recording.clock import RecordingClock
from tokentape_harness.recording.stream_end import COMPLETE, StreamEnd, reached_end, stream_end_of

_SMALL = 65536
_UNDECODED = re.compile(r"[\udc80-\udcff]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


class ResponseRecorder:
    """Records a response: the head, each chunk as it arrives (or each message of a WebSocket), and how it ended.

    Calls after the end are ignored. `done` is called at the end. The recording expires after its `lifetime`.
    """

    def __init__(
        self,
        request: Any,
        seq: int,
        clock: RecordingClock,
        done: Callable[[], None],
        lifetime: timedelta | None = None,
    ) -> None:
        self.request = request
        self.seq = seq
        self.abandoned = False
        self.stream_end: StreamEnd | None = None
        self._clock = clock
        self._done = done
        self._lifetime = lifetime
        self._requested_at = clock.now()
        self._recorded_at = clock.date()
        self._status = 0
        self._message = ""
        self._headers: tuple[tuple[str, str], ...] = ()
        self._start = 0.0
        self._end_at = 0.0
        self._encoding: str | None = None
        self._decoder: ContentDecoder | None = None
        self._wire_headers: tuple[tuple[str, str], ...] = ()
        self._wire_pieces: list[tuple[float, bytes]] = []  # with the times of the clock
        self._pieces: list[tuple[float, bytes]] = []
        self._http_version: str | None = None
        self._frames: list[WebSocketFrame] = []
        self._close: WebSocketClose | None = None

    def sent(self) -> None:
        """Count the times from now on: the request is sent only now."""
        self._requested_at = self._clock.now()
        self._recorded_at = self._clock.date()

    @property
    def has_head(self) -> bool:
        """Whether the response's head has arrived."""
        return bool(self._status)

    @property
    def wants_rest(self) -> bool:
        """Whether the rest of the body must be read even if the client does not read it: it is a small error.

        SDKs close an error response unread before they retry, as do clients that need only the status.
        """
        if self.stream_end is not None or self._status < 400:
            return False
        length = next(iter(header_values(self._headers, "content-length")), "")
        if length.isdecimal():
            return int(length) <= _SMALL
        kind = next(iter(header_values(self._headers, "content-type")), "")
        return "event-stream" not in kind and sum(len(data) for _, data in self._pieces) <= _SMALL

    def head(
        self,
        status: int,
        message: str,
        headers: Iterable[tuple[str, str]],
        *,
        decoded: bool = False,
        http_version: str = "HTTP/1.1",
    ) -> None:
        """Record status line and headers; `decoded` if the client passes bodies on without their content coding."""
        self._start = self._since(self._clock.now())
        self._http_version = None if http_version == "HTTP/1.1" else http_version
        self._status, self._message = status, _recordable(message)
        self._headers = tuple((name, _recordable(value)) for name, value in headers)
        codings = split_codings(header_values(self._headers, "content-encoding"))
        if codings:
            try:
                self._decoder = None if decoded else ContentDecoder(codings)
            except ContentCodingError as error:
                # The client, which has no decoder for it either, gets the same bytes on replay.
                warnings.warn(f"a body is recorded as it arrives: {error}", CassetteWarning, stacklevel=2)
                return
            self._encoding = ", ".join(codings)
            self._wire_headers = self._headers
            self._headers = tuple(pair for pair in self._headers if pair[0].lower() != "content-encoding")

    def chunk(self, data: bytes) -> None:
        """Record bytes of the body that arrived together."""
        if self.stream_end is not None or not data:
            return
        at = self._clock.now()
        if self._decoder is not None:
            self._wire_pieces.append((at, data))
            try:
                data = self._decoder.feed(data)
            except ContentCodingError:
                self._keep_encoded()
                return
        if data:
            self._pieces.append((at, data))

    def frame(self, sender: Sender, data: str | bytes) -> None:
        """Record a message of a WebSocket."""
        if self.stream_end is None:
            self._frames.append(WebSocketFrame(round(self._since(self._clock.now()), 3), sender, data))

    def closed_by(self, close: WebSocketClose) -> None:
        """Record the close frame of a WebSocket."""
        if self.stream_end is None:
            self._close = close
            self._finish(COMPLETE)

    def complete(self) -> None:
        """Record that the body was read to its end."""
        self._finish(COMPLETE)

    def failed(self, error: BaseException) -> None:
        """Record the error that reading the body raised."""
        end = stream_end_of(error)
        self._finish(COMPLETE if end.end == "client_closed" and self._reached_end() else end)

    def closed(self) -> None:
        """Record that the client stopped reading."""
        if self.stream_end is None:
            self._finish(COMPLETE if self._reached_end() else StreamEnd("client_closed"))

    def left_open(self) -> None:
        """Record that the cassette was closed while the response was open."""
        if self.stream_end is None:
            self._finish(COMPLETE if self._reached_end() else StreamEnd("open_at_exit"))

    def abandon(self) -> None:
        """Record nothing: there is no response."""
        self.abandoned = True
        self._finish(StreamEnd("dropped"))

    def response(self) -> Response:
        """The response with its stream record, after the end."""
        assert self.stream_end is not None
        body = b"".join(data for _, data in self._pieces)
        record = StreamRecord(
            chunks_of([len(data) for _, data in self._pieces], [round(self._since(at), 3) for at, _ in self._pieces]),
            self._start,
            self.stream_end.end,
            self._end_at,
            self.stream_end.error,
            self._encoding,
            self.seq,
            _iso(self._recorded_at),
            self._http_version,
            WebSocket(tuple(self._frames), self._close) if self._status == SWITCHING_PROTOCOLS else None,
            None if self._lifetime is None else _iso(self._recorded_at + self._lifetime),
        )
        headers = self._headers
        if self._encoding is not None:
            # It was the length of the encoded body; for a body that was cut off it is unknown.
            whole = self.stream_end.end == "complete"
            headers = tuple(
                (name, str(len(body)) if name.lower() == "content-length" else value)
                for name, value in headers
                if whole or name.lower() != "content-length"
            )
        return Response(self._status, self._message, headers, body, record)

    def _since(self, at: float) -> float:
        return max(0.0, at - self._requested_at)

    def _finish(self, end: StreamEnd) -> None:
        if self.stream_end is None:
            self._end_at = self._since(self._clock.now())
            self.stream_end = end
            self._done()

    def _reached_end(self) -> bool:
        path = unquote(urlsplit(self.request.uri).path)
        return reached_end(path, b"".join(data for _, data in self._pieces))

    def _keep_encoded(self) -> None:
        """Keep the bytes and their header as they arrived: they are not in the coding that it names."""
        self._decoder = self._encoding = None
        self._headers, self._pieces = self._wire_headers, self._wire_pieces


def _recordable(text: str) -> str:
    """A header's value as a cassette can hold it: bytes that a client could not decode (aiohttp's surrogates) are
    latin-1, as in `http.client`, and control characters are question marks."""
    if text.isprintable():
        return text
    return _CONTROL.sub("?", _UNDECODED.sub(lambda match: chr(ord(match.group()) - 0xDC00), text))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
