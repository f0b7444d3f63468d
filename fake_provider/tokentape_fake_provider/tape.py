"""A tape: the bytes of an HTTP response, and when they leave."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Final, Literal, NamedTuple, TypeAlias, overload

import msgspec

End = Literal["complete", "client_closed", "dropped", "timeout", "open_at_exit"]
"""How a recorded response ended."""
TapeEnd: TypeAlias = End | Literal["reset", "stall"]
Sender = Literal["client", "server"]
SWITCHING_PROTOCOLS: Final = 101
"""The status of the response that begins a WebSocket."""


class Frame(NamedTuple):
    """Bytes that leave together, `at` ms after the request arrived."""

    at: float
    data: bytes


class FramesAtOnce(Sequence[Frame]):
    """Frames that are all due at once: the whole body and the size of each. They are cut out when they are needed."""

    __slots__ = ("_frames", "body", "sizes")

    def __init__(self, body: bytes, sizes: array[int]) -> None:
        self.body = body
        self.sizes = sizes
        self._frames: tuple[Frame, ...] | None = None

    @property
    def data(self) -> list[bytes]:
        """The bytes of each frame."""
        body, bounds = self.body, pairwise(accumulate(self.sizes, initial=0))
        return [body[start:end] for start, end in bounds]

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> Frame: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Frame, ...]: ...

    def __getitem__(self, index: int | slice) -> Frame | tuple[Frame, ...]:
        if self._frames is None:
            self._frames = tuple(Frame(0.0, data) for data in self.data)
        return self._frames[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, FramesAtOnce | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self[:])


class WebSocketFrame(NamedTuple):
    """A message of a WebSocket, text or bytes, `at` ms after the handshake's request; its fragments are joined."""

    at: float
    sender: Sender
    data: str | bytes

    @property
    def raw(self) -> bytes:
        """The data as bytes."""
        return self.data.encode() if isinstance(self.data, str) else self.data


class WebSocketClose(NamedTuple):
    """Which side closed a WebSocket, with which code (1005 if it gave none) and reason."""

    sender: Sender
    code: int
    reason: str = ""


class WebSocket(msgspec.Struct, frozen=True):
    """What both sides of a WebSocket sent, in order; `close` is `None` if the connection broke off or stayed open."""

    frames: tuple[WebSocketFrame, ...] = ()
    close: WebSocketClose | None = None


class Tape(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """A whole HTTP response: status, headers, timed frames, and how it ends.

    The headers are sent at `start` and the body ends at `end_at`, in ms since the request. An `end` other than
    `complete` breaks the connection off there instead of ending the body: `reset` does it with an RST, `stall` leaves
    the connection open until the client leaves. With `apart`, each frame is sent in its own write, even if several are
    due together. Without `head`, neither status nor frames are sent: raises `ValueError` if there are any.
    """

    frames: Sequence[Frame] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    start: float = 0.0
    end: TapeEnd = "complete"
    end_at: float | None = None
    apart: bool = False
    head: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.frames, list):  # as JSON is decoded: two equal tapes have equal frames
            msgspec.structs.force_setattr(self, "frames", tuple(self.frames))
        if not self.head and (self.frames or self.end == "complete"):
            raise ValueError("a tape without `head` must have no frames, and an `end` other than complete")

    @property
    def body(self) -> bytes:
        """All frames joined, for an instant replay in one write."""
        return self.joined.body

    @cached_property
    def sizes(self) -> array[int]:
        """The number of bytes of each frame; the body is not joined for it."""
        return self.frames.sizes if isinstance(self.frames, FramesAtOnce) else array("L", map(len, self._data))

    @property
    def joined(self) -> FramesAtOnce:
        """The frames as one body."""
        return self.frames if isinstance(self.frames, FramesAtOnce) else self._joined

    @cached_property
    def _joined(self) -> FramesAtOnce:
        return FramesAtOnce(b"".join(self._data), self.sizes)

    @property
    def _data(self) -> list[bytes]:
        return [frame.data for frame in self.frames]

    @cached_property
    def boundaries(self) -> tuple[int, ...]:
        """The offset in the body at which each frame begins, and at which the last one ends."""
        return (0, *accumulate(self.sizes))

    def header(self, name: str) -> str:
        """Return the value of a header, by its name in lower case; empty if it is missing."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def with_headers(self, *headers: tuple[str, str]) -> Tape:
        """Return the tape with these headers instead of those with the same names."""
        names = {name.lower() for name, _ in headers}
        kept = (header for header in self.headers if header[0].lower() not in names)
        return msgspec.structs.replace(self, headers=(*kept, *headers))


class WebSocketTape(Tape, frozen=True, dict=True, forbid_unknown_fields=True):
    """The response that begins a WebSocket, with status 101, and what follows it; times are in ms since the request."""

    websocket: WebSocket = WebSocket()


def retry_after(tape: Tape) -> float | None:
    """Return the response's retry-after in s; `None` if it has none, or a date."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return float(tape.header(name)) / divisor
        except ValueError:
            continue
    return None
