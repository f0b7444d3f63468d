"""Baseline: known deviations, each with its reason.

[[deviation]]
case = "iterator/choices/*"          # an id, its beginning, or a pattern; with [wire] for one wire format
reason = "the SDK's stream gives the first choice only"
sometimes = true                     # it may also pass; without this, a case that passes fails the run
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tokentape_conformance.plan import matches
from tokentape_conformance.result import PlannedCase, Result
from tokentape_harness.errors import UsageError


class Deviation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases that are known to fail, and why."""

    case: str
    reason: str
    sometimes: bool = False


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All known deviations."""

    deviation: tuple[Deviation, ...] = ()

    def apply(self, result: Result, planned: PlannedCase) -> Result:
        """The result by the baseline: a known failure, a fixed one, or unchanged.

        A fixed one fails the run: its deviation must be removed from the file, or it could return unnoticed.
        """
        known = next((deviation for deviation in self.deviation if matches(deviation.case, planned)), None)
        if known is None or result.status == "skipped":
            return result
        if result.status == "failed":
            return msgspec.structs.replace(result, status="known", reason=known.reason)
        if known.sometimes:
            return result
        return msgspec.structs.replace(result, status="fixed", reason=known.reason)


def read_baseline(path: Path, all_cases: Sequence[PlannedCase]) -> Baseline:
    """Read a baseline. Raises `UsageError`, also for a deviation without a reason or without a matching case."""
    try:
        baseline = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Baseline)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"--baseline {path}: {error.strerror}") from error
    for deviation in baseline.deviation:
        if not deviation.reason.strip():
            raise UsageError(f"{path}: {deviation.case} has no reason")
        if not any(matches(deviation.case, planned) for planned in all_cases):
            raise UsageError(f"{path}: no case matches {deviation.case}")
    return baseline
