"""Playback: a recorded response, chunk by chunk, and how it ends."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from vcr.request import Request as VcrRequest

from tokentape_fake_provider.playback.connection import HOP_BY_HOP
from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_fake_provider.sessions.variation import Outgoing, Vary
from tokentape_fake_provider.tape import End, Frame, Tape
from tokentape_fake_provider.wires import served_at
from tokentape_harness.cassettes.chunks import split_by_sizes
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Headers, RecordedError, Response
from tokentape_harness.cassettes.reader import interaction_of
from tokentape_harness.cassettes.writer import response_fields
from tokentape_harness.errors import TruncatedRecordingError
from tokentape_harness.recording.clock import RecordingClock
from tokentape_harness.recording.stream_end import CANCELLED

# If the recording ends as its reader was cancelled, the replay waits this long for another cancellation.
_PATIENCE_MS = 5000.0


class RecordedPiece(NamedTuple):
    """Bytes of a body, `at` ms after the request."""

    at: float
    data: bytes


class Playback:
    """A recorded response, to replay in place of the provider's.

    A client's adapter sends the head at `start` and each of `pieces` at its time. Then it ends the body if `end` is
    `complete`, raises that client's own exception for `dropped` and `timeout`, and else raises `run_out()`.
    """

    def __init__(
        self, response: Response, *, clock: RecordingClock, speed: float | None, allow_truncated: bool, source: str
    ) -> None:
        record = response.stream
        self.status = response.status
        self.message = response.message
        self.has_message = bool(response.message) or record is not None
        """Whether the message is the recorded one, also if it is empty; other recorders leave it out."""
        self.headers: Headers = response.headers
        self.http_version = (record and record.http_version) or "HTTP/1.1"
        self.start = 0.0
        self.end: End = "complete"
        self.end_at = 0.0
        self.error: RecordedError | None = None
        if record is None:
            self.pieces = tuple(RecordedPiece(0.0, piece) for piece in split_body(response.body, response.content_type))
        else:
            sizes, times = zip(*record.chunks, strict=True) if record.chunks else ((), ())
            timed = zip(times, split_by_sizes(response.body, sizes), strict=True)
            # A call of `RecordedPiece` for each takes four times as long.
            self.pieces = tuple(map(partial(tuple.__new__, RecordedPiece), timed))
            if 0 in sizes:
                self.pieces = tuple(piece for piece in self.pieces if piece.data)
            last = record.chunks[-1].at if record.chunks else record.start
            self.start, self.end, self.error = record.start, record.end, record.error
            self.end_at = last if record.end_at is None else record.end_at
        if allow_truncated and self.end in ("client_closed", "open_at_exit"):
            self.end, self.error = "complete", None
        self._clock = clock
        self._speed = speed
        self._source = source
        self._requested_at = clock.now()

    def vary(self, vary: Vary, request: VcrRequest) -> None:
        """Replay what `vary` makes of it: the pieces, each a read of its own, and their times."""
        speed = math.inf if self._speed is None else self._speed
        frames = tuple(Frame(piece.at / speed, piece.data) for piece in self.pieces)
        times = (self.start / speed, self.end, self.end_at / speed)
        tape = Tape(frames, self.status, self.unframed_headers, *times, apart=True)
        headers, body = tuple((name, str(value)) for name, value in request.headers.items()), request.body or b""
        wire = served_at(request.path)
        place = request.path + (f"?{query}" if (query := urlsplit(request.uri).query) else "")
        body = body if isinstance(body, bytes) else str(body).encode()
        exchange = Exchange(request.method, place, headers, body, wire.name if wire else None, tape, time.time())
        sent = vary(Outgoing(exchange))
        if sent is not tape:
            self._speed, self.start, self.end_at = 1.0, sent.start, sent.end_at or 0.0
            self.pieces = tuple(RecordedPiece(frame.at, frame.data) for frame in sent.frames)

    @property
    def unframed_headers(self) -> Headers:
        """The headers without those of the recorded connection; each adapter sends the body in its own way."""
        return tuple((name, value) for name, value in self.headers if name.lower() not in HOP_BY_HOP)

    @property
    def saved(self) -> float:
        """How much longer the recorded response took than this replay so far, in ms."""
        return max(0.0, self.end_at - (self._clock.now() - self._requested_at))

    def wait_until(self, at: float) -> None:
        """Wait until a recorded time (ms since the request), at the speed of this replay."""
        if self._speed is not None:
            self._clock.wait_until(self._requested_at + at / self._speed)

    async def wait_until_async(self, at: float) -> None:
        """Wait until a recorded time (ms since the request), at the speed of this replay."""
        if self._speed is not None:
            await self._clock.wait_until_async(self._requested_at + at / self._speed)

    def run_out(self) -> TruncatedRecordingError:
        """The error for a client that reads on where the recording ends."""
        why = {
            "client_closed": "the client closed the stream here while it was recorded",
            "open_at_exit": "the stream was still open when the cassette was closed",
        }.get(self.end, f"it ended as {self.end}")
        return TruncatedRecordingError(
            f"{self._source}: the recording ends after {sum(len(piece.data) for piece in self.pieces)} bytes, and the "
            f"client wants more: {why} (record it again, or pass allow_truncated=True to end the body here)"
        )

    async def run_out_async(self) -> TruncatedRecordingError:
        """The same error, after a wait if the recorded reader was cancelled here: this one may be cancelled, too."""
        if self.error is not None and self.error.kind == CANCELLED:
            last = self.pieces[-1].at if self.pieces else self.start
            await self._clock.wait_until_async(self._clock.now() + max(0.0, self.end_at - last) + _PATIENCE_MS)
        return self.run_out()


_RESPONSES: WeakValueDictionary[int, Response] = WeakValueDictionary()
"""The living responses that `vcr_response` made mappings of, by the id of their body."""


def response_of(recorded: dict[str, Any], source: str) -> Response:
    """A response from vcrpy's mapping. Raises `CassetteError`."""
    body = recorded.get("body")
    known = _RESPONSES.get(id(body.get("string"))) if isinstance(body, dict) else None
    if known is not None and vcr_response(known) == recorded:
        return known  # no hook of the user has changed it
    fields = {"request": {"method": "GET", "uri": "http://any.invalid/"}, "response": recorded}
    return interaction_of(fields, source).response


def vcr_response(response: Response) -> dict[str, Any]:
    """The mapping of a response that vcrpy keeps."""
    fields = response_fields(response, response.body)
    _RESPONSES[id(response.body)] = response
    return fields
