"""Observed output: what came out of the app or proxy under test, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from tokentape_harness.cassettes.content_coding import ContentCodingError, ContentDecoder, split_codings
from tokentape_harness.flush.marker_tokens import MarkerFinder, MarkerTokens

# Bytes of a body that are kept; an app whose messages each hold all the text so far sends the square of its length.
KEPT: Final = 64_000_000
# Of these, the bytes that are also kept as received pieces.
_KEPT_AS_PIECES: Final = 2_000_000

Headers = Sequence[tuple[str, str]]


class Head(msgspec.Struct, frozen=True):
    """The head of a response. `at` is in seconds of the output's clock, as are all times here."""

    at: float
    status: int
    http_version: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """The value of a header, several joined; `None` if it is missing."""
        values = [value for key, value in self.headers if key.lower() == name]
        return ", ".join(values) if values else None


class OutputEnd(msgspec.Struct, frozen=True):
    """How the output ended: `clean`, or `broken` in a way that its reader can detect; `note` describes it."""

    at: float
    kind: Literal["clean", "broken"]
    note: str = ""


class ObservedOutput:
    """The output of one run; its reader may write it from any thread.

    `seen` is the time each token came out, `offsets` its place in the body; `dropped` counts the bytes of the body that
    were not kept. Once the checker has `left`, an end is its own doing, and not noted.
    """

    def __init__(self, markers: MarkerTokens, now: Callable[[], float]) -> None:
        self.markers = markers
        self.now = now
        self.head: Head | None = None
        self.end: OutputEnd | None = None
        self.left = False
        self.size = 0
        self.dropped = 0
        self.seen: dict[int, float] = {}
        self.offsets: dict[int, int] = {}
        self.pieces: list[tuple[float, bytes]] = []
        self._body = bytearray()
        self._finder = MarkerFinder(markers)
        self._decoder: ContentDecoder | None = None
        self._changed = threading.Condition()

    @property
    def body(self) -> bytes:
        """The body so far, decoded."""
        with self._changed:
            return bytes(self._body)

    def on_head(self, status: int, headers: Headers, http_version: str = "") -> None:
        """Receive the head of the response."""
        head = Head(self.now(), status, http_version, tuple(headers))
        codings = split_codings([head.header("content-encoding") or ""])
        with self._changed:
            self.head = head
            try:
                self._decoder = ContentDecoder(codings)
            except ContentCodingError as error:
                self.end = OutputEnd(head.at, "broken", str(error))
            self._changed.notify_all()

    def on_data(self, data: bytes) -> None:
        """Receive bytes of the body."""
        at = self.now()
        with self._changed:
            self.size += len(data)
            try:
                plain = data if self._decoder is None else self._decoder.feed(data)
            except ContentCodingError as error:
                self.end = self.end or OutputEnd(at, "broken", str(error))
                plain = b""
            if len(self._body) < _KEPT_AS_PIECES:
                self.pieces.append((at, plain))
            if len(self._body) + len(plain) <= KEPT:
                self._body += plain
            else:
                self.dropped += len(plain)
            for number, offset in self._finder.feed(plain):
                if number not in self.seen:
                    self.seen[number] = at
                    self.offsets[number] = offset
            self._changed.notify_all()

    def on_end(self, note: str = "", *, broken: bool = False) -> None:
        """Note that the output ended; only the first end counts."""
        at = self.now()
        with self._changed:
            if not self.left:
                self.end = self.end or OutputEnd(at, "broken" if broken else "clean", note)
            self._changed.notify_all()

    def wait(self, done: Callable[[ObservedOutput], bool], seconds: float) -> bool:
        """Wait in real time until `done`, for at most `seconds`; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: done(self), seconds)
