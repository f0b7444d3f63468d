"""Suite: what the runner must know of each, and the table of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from tokentape_conformance.case import Case
from tokentape_conformance.trial import Trial
from tokentape_harness.errors import UsageError

SUITES: Mapping[str, str] = MappingProxyType(
    {
        "iterator": "tokentape_conformance.iterator.suite:SUITE",
        "provider": "tokentape_conformance.provider.suite:SUITE",
        "pipeline": "tokentape_conformance.pipeline.suite:SUITE",
    }
)
"""Where each suite is. To add one: a module with such an object, and a row here."""


class Suite(Protocol):
    """A set of cases for one kind of target.

    Everything is made anew in each worker process from strings: a target is what `load` makes of them.
    """

    name: str

    def cases(self) -> Sequence[Case]:
        """Every case, imported now."""

    def load(self, target: str, options: Mapping[str, str]) -> Any:
        """The target, from what was given on the command line. Raises `UsageError`."""

    def wires(self, target: Any) -> Sequence[str]:
        """The wire formats that the target can be asked in."""

    def lack(self, target: Any, need: str, wire: str) -> str | None:
        """Why the target has not this capability; None if it has."""

    def trials(self, target: Any, case: Case, wire: str, seed: int) -> Iterator[Trial]:
        """The trials of a case on a wire format: each is run and closed, and all must succeed."""


def suite_named(name: str) -> Suite:
    """The suite of this name. Raises `UsageError` that lists the known ones."""
    if name not in SUITES:
        raise UsageError(f"no suite {name!r}: the known ones are {', '.join(SUITES)}")
    module, _, attribute = SUITES[name].partition(":")
    found: Suite = getattr(importlib.import_module(module), attribute)
    return found
