"""An exchange as it was seen: a request and its response; and the tools for it, which the harness has.

The fake provider can't decode its own bytes: that is the library's part, which it does not import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.tape import Tape


class Exchange(msgspec.Struct, frozen=True):
    """A request and its response. The tape's frames have the times at which they left, else at which they are due.

    `path` has the query; `headers` are the request's, with secrets masked; `body` is as it was sent. `time` is the unix
    time in s of the request.
    """

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    wire: str | None
    tape: Tape
    time: float


class FrameMessages(msgspec.Struct, frozen=True):
    """What a frame completed: the decoded messages as JSON, and the error that decoding it raised."""

    messages: Sequence[Mapping[str, Any]] = ()
    error: str | None = None


class Decoded(msgspec.Struct, frozen=True):
    """A decoded response: its messages by frame, the usage that it reports, and its finish reason."""

    frames: Sequence[FrameMessages] = ()
    usage: Mapping[str, Any] | None = None
    finish_reason: str | None = None


class ExchangeTools(Protocol):
    """Reads responses, and writes cassettes. `tokentape_harness.testing.exchange_tools` has them."""

    def decode(self, tape: Tape, wire: str) -> Decoded:
        """Decode a response, errors included; never raises."""

    def script(self, exchange: Exchange) -> Script:
        """Return the script that generates this response. Raises `ScriptError` if none does."""

    def save(self, exchange: Exchange, path: Path) -> None:
        """Write a new cassette, redacted as recordings are.

        Raises `CassetteExistsError` if a file is there, and `CassetteAccessError` if it can't be written.
        """
