"""Suite: what the runner needs of each suite, and the table of suites."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from tokentape_conformance.case_registry import Case
from tokentape_conformance.trial import Trial
from tokentape_harness.errors import UsageError

SUITES: Mapping[str, str] = MappingProxyType(
    {
        "iterator": "tokentape_conformance.iterator.suite:SUITE",
        "provider": "tokentape_conformance.provider.suite:SUITE",
        "pipeline": "tokentape_conformance.pipeline.suite:SUITE",
        "telemetry": "tokentape_conformance.telemetry.suite:SUITE",
    }
)
"""Where each suite is. To add one: a module with a `Suite` object, and a row here."""


class Suite(Protocol):
    """A set of cases for one kind of target.

    Each worker process loads its own target: `load` creates it from strings.
    """

    name: str

    def cases(self) -> Sequence[Case]:
        """All cases, imported when this is called."""

    def load(self, target: str, options: Mapping[str, str]) -> Any:
        """Create the target from the command line's arguments. Raises `UsageError`."""

    def wires(self, target: Any) -> Sequence[str]:
        """The wire formats that the target supports."""

    def lack(self, target: Any, need: str, wire: str) -> str | None:
        """Why the target lacks this capability; None if it has it."""

    def trials(self, target: Any, case: Case, wire: str, seed: int) -> Iterator[Trial]:
        """The trials of a case on a wire format. Each is run and closed; all must succeed."""


def suite_named(name: str) -> Suite:
    """The suite of this name. Raises a `UsageError` that lists the suites."""
    if name not in SUITES:
        raise UsageError(f"unknown suite {name!r}: the suites are {', '.join(SUITES)}")
    module, _, attribute = SUITES[name].partition(":")
    found: Suite = getattr(importlib.import_module(module), attribute)
    return found
