"""Plan: which cases are run, on which wire formats."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from tokentape_conformance.result import Planned
from tokentape_conformance.suite import Suite
from tokentape_harness.errors import UsageError


def plan(suite: Suite, target: Any, *, wires: Sequence[str] = (), patterns: Sequence[str] = ()) -> list[Planned]:
    """The cases to run. Raises `UsageError` for a wire the target has not, or a pattern that nothing matches."""
    spoken = suite.wires(target)
    for wire in wires:
        if wire not in spoken:
            raise UsageError(f"--wire {wire}: the target has {', '.join(spoken) or 'none'}")
    asked = [wire for wire in spoken if not wires or wire in wires]
    every = [
        Planned(case, wire) for case in suite.cases() for wire in asked if case.wires is None or wire in case.wires
    ]
    for pattern in patterns:
        if not any(matches(pattern, planned) for planned in every):
            raise UsageError(f"--case {pattern}: no case of the suite {suite.name} matches that on {', '.join(asked)}")
    return [planned for planned in every if not patterns or any(matches(pattern, planned) for pattern in patterns)]


def matches(pattern: str, planned: Planned) -> bool:
    """Whether a pattern means this case.

    It is an id, with or without wire and suite; the beginning of one up to a slash; or either with `*` and `?`.
    """
    case = planned.case.id
    ids = (case, planned.id, case.partition("/")[2], planned.id.partition("/")[2])
    # Square brackets stand for themselves: ids have them.
    glob = pattern.replace("[", "[[]")
    return any(
        known == pattern or known.startswith(f"{pattern.rstrip('/')}/") or fnmatch.fnmatchcase(known, glob)
        for known in ids
    )
