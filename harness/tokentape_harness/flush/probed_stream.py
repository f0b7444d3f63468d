"""ProbedStream: where a probe plays. The real one has sockets and threads; a simulated one has neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tokentape_harness.flush.observed_output import ObservedOutput


class ProbeOverError(Exception):
    """No more tokens can be sent: the message says why. Not for callers of the checker."""


class ProbedStream(Protocol):
    """One answer that leaves token by token, and the far end where it is to come out. Times are in s."""

    output: ObservedOutput

    def now(self) -> float:
        """The time."""

    def send(self, tokens: int) -> int:
        """Let so many more tokens leave; back when they did. The bytes of body that have left so far.

        Raises `ProbeOverError`.
        """

    def finish(self) -> None:
        """Let all the rest leave, and the end."""

    def wait(self, done: Callable[[ObservedOutput], bool], seconds: float) -> bool:
        """Wait until something holds at the far end, at most so long; whether it does."""

    def wait_for_end(self, seconds: float) -> bool:
        """Wait until the output has ended, at most so long; whether it has."""
