"""Probed stream: a provider's stream, sent token by token, and the output of the app. Live or simulated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tokentape_harness.flush.observed_output import ObservedOutput


class ProbeOverError(Exception):
    """No more tokens can be sent; the message is the reason. Internal to the checker."""


class ProbedStream(Protocol):
    """One answer that is sent token by token, and the output where it should come out. Times are in seconds."""

    output: ObservedOutput

    def now(self) -> float:
        """The current time."""

    def send(self, tokens: int) -> int:
        """Send that many more tokens and return the bytes of body sent so far. Raises `ProbeOverError`."""

    def finish(self) -> None:
        """Send the rest of the stream and end it."""

    def wait(self, done: Callable[[ObservedOutput], bool], seconds: float) -> bool:
        """Wait until `done`, for at most `seconds`; return whether it is."""

    def wait_for_end(self, seconds: float) -> bool:
        """Wait until the output has ended, for at most `seconds`; return whether it has."""
