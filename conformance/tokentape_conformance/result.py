"""Result: the outcome of each case, and the report of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from tokentape_conformance.case_registry import Case
from tokentape_conformance.trial import TimedFrame

Status = Literal["passed", "failed", "skipped", "known", "fixed"]
"""`known` fails as the baseline states; `fixed` passes although the baseline states that it fails."""


class Finding(msgspec.Struct, frozen=True):
    """How one trial failed: of `what`, `expected` was promised and `seen` was observed."""

    what: str
    expected: str
    seen: str
    label: str = ""
    request: str = ""
    frames: tuple[TimedFrame, ...] = ()
    traceback: str = ""


class Result(msgspec.Struct, frozen=True):
    """The outcome of one case on one wire format; `reason` is why it was skipped or is known to fail."""

    case: str
    wire: str
    promise: str
    source: str
    status: Status
    seconds: float = 0.0
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    remedy: str = ""

    @property
    def id(self) -> str:
        """The full id: `iterator/text/concatenated[openai_chat]`."""
        return full_id(self.case, self.wire)

    @property
    def area(self) -> str:
        """What the case is about."""
        return self.case.split("/")[1]

    @property
    def is_failure(self) -> bool:
        """Whether it fails the run."""
        return self.status in ("failed", "fixed")


class PlannedCase(msgspec.Struct, frozen=True):
    """A case on a wire format, to be run."""

    case: Case
    wire: str

    @property
    def id(self) -> str:
        """The full id."""
        return full_id(self.case.id, self.wire)


class Report(msgspec.Struct, frozen=True):
    """A run of a suite against a target; the results are in the order of the plan."""

    suite: str
    target: str
    seed: int
    results: tuple[Result, ...]
    seconds: float = 0.0
    versions: dict[str, str] = {}

    @property
    def counts(self) -> Counter[Status]:
        """The number of results by status."""
        return Counter(result.status for result in self.results)

    @property
    def failures(self) -> list[Result]:
        """The results that fail the run."""
        return [result for result in self.results if result.is_failure]

    @property
    def wires(self) -> list[str]:
        """The wire formats, in order."""
        return list(dict.fromkeys(result.wire for result in self.results))

    @property
    def areas(self) -> list[str]:
        """The areas, in order."""
        return list(dict.fromkeys(result.area for result in self.results))

    @property
    def kept(self) -> bool:
        """Whether nothing failed and at least one case ran."""
        return not self.failures and any(result.status != "skipped" for result in self.results)


def full_id(case: str, wire: str) -> str:
    """A case's id with its wire format."""
    return f"{case}[{wire}]"


def summary(report: Report) -> str:
    """The counts as one line of text."""
    counts = report.counts
    names: Sequence[Status] = ("passed", "failed", "known", "fixed", "skipped")
    return ", ".join(f"{counts[name]} {name}" for name in names if counts[name]) or "no case ran"
