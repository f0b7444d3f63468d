"""Plan: the cases to run, and the wire formats to run them on."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from tokentape_conformance.result import PlannedCase
from tokentape_conformance.suite import Suite
from tokentape_harness.errors import UsageError


def plan(suite: Suite, target: Any, *, wires: Sequence[str] = (), patterns: Sequence[str] = ()) -> list[PlannedCase]:
    """The cases to run. Raises `UsageError` for a wire that the target lacks, or a pattern that matches no case."""
    supported = suite.wires(target)
    for wire in wires:
        if wire not in supported:
            raise UsageError(f"--wire {wire}: the target supports {', '.join(supported) or 'none'}")
    chosen = [wire for wire in supported if not wires or wire in wires]
    candidates = [
        PlannedCase(case, wire) for case in suite.cases() for wire in chosen if case.wires is None or wire in case.wires
    ]
    for pattern in patterns:
        if not any(matches(pattern, planned) for planned in candidates):
            raise UsageError(f"--case {pattern}: no case of the suite {suite.name} matches it on {', '.join(chosen)}")
    return [planned for planned in candidates if not patterns or any(matches(pattern, planned) for pattern in patterns)]


def matches(pattern: str, planned: PlannedCase) -> bool:
    """Whether a pattern matches this case.

    It is an id, with or without wire and suite; the beginning of one up to a slash; or either with `*` and `?`.
    """
    case = planned.case.id
    ids = (case, planned.id, case.partition("/")[2], planned.id.partition("/")[2])
    # Square brackets are literal: ids contain them.
    glob = pattern.replace("[", "[[]")
    return any(
        known == pattern or known.startswith(f"{pattern.rstrip('/')}/") or fnmatch.fnmatchcase(known, glob)
        for known in ids
    )
