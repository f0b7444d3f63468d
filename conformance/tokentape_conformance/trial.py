"""Trial: one run of a case on one wire format, and the evidence that it keeps for the report."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from tokentape_conformance.case_registry import Case
from tokentape_harness.errors import PromiseBrokenError


class TimedFrame(msgspec.Struct, frozen=True):
    """Bytes of a stream; `at` is when they were sent or read, in ms since the start, None if they were not."""

    data: bytes
    at: float | None = None


class SkippedError(Exception):
    """The target lacks what the case needs; the message is the reason."""


class Trial:
    """The argument of a case. Each suite has its own subclass, with what its cases need to reach the target.

    `request` and `frames` are printed if the case fails. `label` distinguishes the trials of a case (sync, async).
    """

    def __init__(self, case: Case, wire: str, *, seed: int = 0, label: str = "") -> None:
        self.case = case
        self.wire = wire
        self.seed = seed
        self.label = label
        self.random = random.Random(f"{seed}:{case.id}:{wire}")  # noqa: S311 - not for secrets
        self.request = ""

    @property
    def frames(self) -> list[TimedFrame]:
        """The frames of the stream; empty if there was none."""
        return []

    def expect(self, what: str, seen: Any, expected: Any) -> None:
        """Check that both are equal. Raises `PromiseBrokenError`."""
        if seen != expected:
            self.fail(what, seen, expected)

    def fail(self, what: str, seen: Any, expected: Any) -> NoReturn:
        """Fail the case: `what` was `seen` instead of `expected`. Raises `PromiseBrokenError`."""
        raise PromiseBrokenError(what, expected=_shown(expected), seen=_shown(seen))

    def skip(self, reason: str) -> NoReturn:
        """Skip the case by raising `SkippedError`: only now does it show that the target lacks what the case needs."""
        raise SkippedError(reason)

    def run(self, function: Callable[..., Any]) -> None:
        """Run the case's function to its end."""
        value = function(self)
        if inspect.iscoroutine(value):
            asyncio.run(value)

    def close(self) -> None:
        """Release what the trial opened; called after each run."""


class Prose(str):
    """A description instead of a value, printed without quotes: `Prose("one event")`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(value: Any) -> str:
    return repr(value)
