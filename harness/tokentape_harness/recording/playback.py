"""Playback: a recorded response, chunk by chunk, and how it ends."""

from __future__ import annotations

from typing import Any, NamedTuple

from tokentape_fake_provider.tape import End
from tokentape_harness.cassettes.chunks import cut
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Fault, Headers, Interaction, Request, Response
from tokentape_harness.cassettes.reader import interaction_of
from tokentape_harness.cassettes.writer import interaction_fields
from tokentape_harness.errors import TruncatedRecordingError
from tokentape_harness.recording.clock import Clock
from tokentape_harness.recording.stream_end import CANCELLED

# A reader that was cancelled while it was recorded waits to be cancelled again, but not for ever.
_PATIENCE_MS = 5000.0

# They belong to the recorded connection; the body is replayed without their framing.
_FRAMING = frozenset({"transfer-encoding", "connection", "keep-alive", "content-encoding"})


class Piece(NamedTuple):
    """Bytes of a body, `at` ms after the request."""

    at: float
    data: bytes


class Playback:
    """What a client gets in place of the provider's response.

    A client's adapter sends the head at `start`, then each of `pieces` at its time, and then what `end` says: it
    ends the body (`complete`), raises that client's own exception (`dropped`, `timeout`), or calls `run_out`.
    """

    def __init__(
        self, response: Response, *, clock: Clock, speed: float | None, allow_truncated: bool, source: str
    ) -> None:
        record = response.stream
        self.status = response.status
        self.message = response.message
        self.headers: Headers = response.headers
        self.start = 0.0
        self.end: End = "complete"
        self.end_at = 0.0
        self.fault: Fault | None = None
        if record is None:
            self.pieces = tuple(Piece(0.0, piece) for piece in split_body(response.body, response.content_type))
        else:
            parts = cut(response.body, (chunk.size for chunk in record.chunks))
            self.pieces = tuple(Piece(chunk.at, part) for chunk, part in zip(record.chunks, parts, strict=True) if part)
            last = record.chunks[-1].at if record.chunks else record.start
            self.start, self.end, self.fault = record.start, record.end, record.error
            self.end_at = last if record.end_at is None else record.end_at
        if allow_truncated and self.end in ("client_closed", "open_at_exit"):
            self.end, self.fault = "complete", None
        self._clock = clock
        self._speed = speed
        self._source = source
        self._asked_at = clock.now()

    @property
    def unframed_headers(self) -> Headers:
        """The headers without those that describe how the body was sent."""
        return tuple((name, value) for name, value in self.headers if name.lower() not in _FRAMING)

    def wait_until(self, at: float) -> None:
        """Wait for a recorded time (ms since the request), at the speed that was asked for."""
        if self._speed is not None:
            self._clock.wait_until(self._asked_at + at / self._speed)

    async def wait_until_async(self, at: float) -> None:
        """Wait for a recorded time."""
        if self._speed is not None:
            await self._clock.wait_until_async(self._asked_at + at / self._speed)

    def run_out(self) -> TruncatedRecordingError:
        """The error for a client that wants more than was recorded."""
        why = {
            "client_closed": "the client closed the stream here while it was recorded",
            "open_at_exit": "the stream was still open when the cassette was closed",
        }.get(self.end, f"it ended as {self.end}")
        return TruncatedRecordingError(
            f"{self._source}: the recording ends after {sum(len(piece.data) for piece in self.pieces)} bytes, and the "
            f"client wants more: {why} (record it again, or pass allow_truncated=True to end the body here)"
        )

    async def run_out_async(self) -> TruncatedRecordingError:
        """The same error; a reader that was cancelled while it was recorded first gets the time to be so again."""
        if self.fault is not None and self.fault.kind == CANCELLED:
            last = self.pieces[-1].at if self.pieces else self.start
            await self._clock.wait_until_async(self._clock.now() + max(0.0, self.end_at - last) + _PATIENCE_MS)
        return self.run_out()


def response_of(recorded: dict[str, Any], source: str) -> Response:
    """A response from vcrpy's mapping of it. Raises `CassetteError`."""
    fields = {"request": {"method": "GET", "uri": "http://any.invalid/"}, "response": recorded}
    return interaction_of(fields, source).response


def vcr_response(response: Response) -> dict[str, Any]:
    """A response as vcrpy keeps it."""
    fields: dict[str, Any] = interaction_fields(Interaction(Request("GET", ""), response))["response"]
    fields["body"]["string"] = response.body
    return fields
