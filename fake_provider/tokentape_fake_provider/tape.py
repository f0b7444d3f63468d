"""Tape: what goes over the wire, and when."""

from __future__ import annotations

from array import array
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec

End = Literal["complete", "client_closed", "dropped", "timeout", "open_at_exit"]


class Frame(NamedTuple):
    """Bytes that leave together, `at` ms after the request arrived."""

    at: float
    data: bytes


class Tape(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """A whole HTTP response: status, headers, timed frames, and how it ends.

    `start` is when the headers leave and `end_at` when the body ends, in ms since the request. An `end`
    other than `complete` breaks the connection off there instead of ending the body.
    """

    frames: tuple[Frame, ...] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    start: float = 0.0
    end: End = "complete"
    end_at: float | None = None

    @cached_property
    def body(self) -> bytes:
        """All frames joined: what an instant replay sends in one write."""
        return b"".join(frame.data for frame in self.frames)

    @cached_property
    def sizes(self) -> array[int]:
        """Each frame's bytes."""
        return array("L", [len(frame.data) for frame in self.frames])
