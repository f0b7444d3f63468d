"""Baseline: deviations that are known, each with its reason.

[[deviation]]
case = "iterator/choices/*"          # an id, the beginning of one, or a pattern; with [wire] if it is one wire's
reason = "the SDK's stream gives the first choice only"
sometimes = true                     # it may pass as well; otherwise a case that passes fails the run
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tokentape_conformance.plan import matches
from tokentape_conformance.result import Planned, Result
from tokentape_harness.errors import UsageError


class Deviation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases that are known to fail, and why."""

    case: str
    reason: str
    sometimes: bool = False


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known to fail."""

    deviation: tuple[Deviation, ...] = ()

    def apply(self, result: Result, planned: Planned) -> Result:
        """The result as the baseline sees it: a known failure, one that is mended, or as it is.

        A mended one fails the run: a deviation that is gone must leave the file, or it could come back unseen.
        """
        known = next((deviation for deviation in self.deviation if matches(deviation.case, planned)), None)
        if known is None or result.status == "skipped":
            return result
        if result.status == "failed":
            return msgspec.structs.replace(result, status="known", reason=known.reason)
        if known.sometimes:
            return result
        return msgspec.structs.replace(result, status="mended", reason=known.reason)


def read_baseline(path: Path, every: Sequence[Planned]) -> Baseline:
    """Read a baseline for these cases. Raises `UsageError`, also for a deviation without a reason or without a case."""
    try:
        baseline = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Baseline)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"--baseline {path}: {error.strerror}") from error
    for deviation in baseline.deviation:
        if not deviation.reason.strip():
            raise UsageError(f"{path}: {deviation.case} has no reason")
        if not any(matches(deviation.case, planned) for planned in every):
            raise UsageError(f"{path}: no case is called {deviation.case}")
    return baseline
