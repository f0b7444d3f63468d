"""Recording: one response while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.content_coding import split_codings
from tokentape_harness.cassettes.model import Response, StreamRecord, header_values
from tokentape_harness.recording.clock import Clock
from tokentape_harness.recording.content_decoder import ContentDecoder, ContentError, content_decoder
from tokentape_harness.recording.stream_end import COMPLETE, Ending, ending_of, said_all

_SMALL = 65536


class Recording:
    """Takes down a response: the head, each chunk as it comes, and once how it ended.

    What comes after the end is ignored. `done` is called at its end.
    """

    def __init__(self, request: Any, seq: int, clock: Clock, done: Callable[[], None]) -> None:
        self.request = request
        self.seq = seq
        self.abandoned = False
        self.ending: Ending | None = None
        self._clock = clock
        self._done = done
        self._asked_at = clock.now()
        self._recorded_at = clock.date()
        self._status = 0
        self._message = ""
        self._headers: tuple[tuple[str, str], ...] = ()
        self._start = 0.0
        self._end_at = 0.0
        self._encoding: str | None = None
        self._decoder: ContentDecoder | None = None
        self._wire_pieces: list[tuple[float, bytes]] = []
        self._pieces: list[tuple[float, bytes]] = []

    @property
    def has_head(self) -> bool:
        """Whether the response's head came."""
        return bool(self._status)

    @property
    def wants_rest(self) -> bool:
        """Whether the body is a small error, to be read to its end though the client does not want it.

        SDKs that are about to try again close such a response unread, as does whoever looks at the status alone.
        """
        if self.ending is not None or self._status < 400:
            return False
        length = next(iter(header_values(self._headers, "content-length")), "")
        if length.isdecimal():
            return int(length) <= _SMALL
        kind = next(iter(header_values(self._headers, "content-type")), "")
        return "event-stream" not in kind and sum(len(data) for _, data in self._pieces) <= _SMALL

    def head(self, status: int, message: str, headers: Iterable[tuple[str, str]], *, decoded: bool = False) -> None:
        """The status line and headers came; `decoded` where the client hands over bodies without their coding."""
        self._start = self._since()
        self._status, self._message, self._headers = status, message, tuple(headers)
        codings = split_codings(header_values(self._headers, "content-encoding"))
        if codings:
            self._encoding = ", ".join(codings)
            self._decoder = None if decoded else content_decoder(codings)
            if decoded or self._decoder is not None:
                self._headers = tuple(pair for pair in self._headers if pair[0].lower() != "content-encoding")
            else:
                self._encoding = None  # not known here: kept as it came

    def chunk(self, data: bytes) -> None:
        """These bytes of the body came together."""
        if self.ending is not None or not data:
            return
        at = self._since()
        if self._decoder is not None:
            self._wire_pieces.append((at, data))
            try:
                data = self._decoder.feed(data)
            except ContentError:
                self._keep_as_it_came()
                return
        if data:
            self._pieces.append((at, data))

    def complete(self) -> None:
        """The body ended by itself."""
        self._finish(COMPLETE)

    def failed(self, error: BaseException) -> None:
        """Reading the body raised this."""
        ending = ending_of(error)
        self._finish(COMPLETE if ending.end == "client_closed" and self._said_all() else ending)

    def closed(self) -> None:
        """The client stopped reading."""
        if self.ending is None:
            self._finish(COMPLETE if self._said_all() else Ending("client_closed"))

    def left_open(self) -> None:
        """The cassette is closed, and the response is not."""
        if self.ending is None:
            self._finish(COMPLETE if self._said_all() else Ending("open_at_exit"))

    def abandon(self) -> None:
        """No response came, so there is nothing to record."""
        self.abandoned = True
        self._finish(Ending("dropped"))

    def response(self) -> Response:
        """The response with its stream record, after the end."""
        assert self.ending is not None
        body = b"".join(data for _, data in self._pieces)
        record = StreamRecord(
            tuple(Chunk(len(data), round(at, 3)) for at, data in self._pieces),
            self._start,
            self.ending.end,
            self._end_at,
            self.ending.fault,
            self._encoding,
            self.seq,
            self._recorded_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        headers = self._headers
        if self._encoding is not None:
            # The length was that of the encoded body; of one that broke off nothing is known.
            whole = self.ending.end == "complete"
            headers = tuple(
                (name, str(len(body)) if name.lower() == "content-length" else value)
                for name, value in headers
                if whole or name.lower() != "content-length"
            )
        return Response(self._status, self._message, headers, body, record)

    def _since(self) -> float:
        return max(0.0, self._clock.now() - self._asked_at)

    def _finish(self, ending: Ending) -> None:
        if self.ending is None:
            self._end_at = self._since()
            self.ending = ending
            self._done()

    def _said_all(self) -> bool:
        path = unquote(urlsplit(self.request.uri).path)
        return said_all(path, b"".join(data for _, data in self._pieces))

    def _keep_as_it_came(self) -> None:
        """The body is not in the coding of its header: keep it plain, as clients that can't decode it see it."""
        self._decoder = None
        self._pieces = self._wire_pieces
