"""Trial: one run of a case on one wire format, and the evidence that it leaves."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from tokentape_conformance.case import Case
from tokentape_harness.errors import PromiseBrokenError


class Frame(msgspec.Struct, frozen=True):
    """Bytes of a stream; `at` is when they were sent or read, in ms since the start, None if they never were."""

    data: bytes
    at: float | None = None


class SkippedError(Exception):
    """What the case asks for is not there; the message is the reason."""


class Trial:
    """What a case gets. Suites have their own kind, with what their cases need to reach the target.

    `request` and `frames` are printed if the case fails. `label` tells trials of one case apart (sync, async).
    """

    def __init__(self, case: Case, wire: str, *, seed: int = 0, label: str = "") -> None:
        self.case = case
        self.wire = wire
        self.seed = seed
        self.label = label
        self.random = random.Random(f"{seed}:{case.id}:{wire}")  # noqa: S311 - not for secrets
        self.request = ""

    @property
    def frames(self) -> list[Frame]:
        """The frames of the stream, as far as there was one."""
        return []

    def expect(self, what: str, seen: Any, expected: Any) -> None:
        """Go on if both are equal. Raises `PromiseBrokenError`."""
        if seen != expected:
            self.fail(what, seen, expected)

    def fail(self, what: str, seen: Any, expected: Any) -> NoReturn:
        """Break off: `what` was `seen` instead of `expected`. Raises `PromiseBrokenError`."""
        raise PromiseBrokenError(what, expected=_shown(expected), seen=_shown(seen))

    def skip(self, reason: str) -> NoReturn:
        """Break off: the target has not what this case asks for, which only shows now."""
        raise SkippedError(reason)

    def run(self, function: Callable[..., Any]) -> None:
        """Run the case's function to its end."""
        value = function(self)
        if inspect.iscoroutine(value):
            asyncio.run(value)

    def close(self) -> None:
        """Let go of what the trial opened; called after every run."""


class Words(str):
    """A description in place of a value, shown without quotes: `Words("one event")`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(value: Any) -> str:
    return repr(value)
