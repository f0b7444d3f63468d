"""Run: a suite against a target, from plan to report."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from tokentape_conformance.baseline import Baseline, read_baseline
from tokentape_conformance.case_registry import include
from tokentape_conformance.execution import Job, run_in_process, run_in_processes
from tokentape_conformance.plan import plan
from tokentape_conformance.result import PlannedCase, Report, Result
from tokentape_conformance.suite import Suite, suite_named

_FEW = 40
"""Cases that finish before a second process has started."""


class Run:
    """One run: `planned` are its cases, `results` runs them.

    `wires` and `patterns` narrow the plan; `jobs` is the number of processes, by default one per
    processor. Raises `UsageError` for an invalid target, wire, pattern or baseline.
    """

    def __init__(
        self,
        job: Job,
        *,
        wires: Sequence[str] = (),
        patterns: Sequence[str] = (),
        baseline: Path | None = None,
        jobs: int | None = None,
    ) -> None:
        include(job.includes)
        self.job = job
        self.suite: Suite = suite_named(job.suite)
        self.target: Any = self.suite.load(job.target, job.options)
        self.planned: list[PlannedCase] = plan(self.suite, self.target, wires=wires, patterns=patterns)
        all_cases = plan(self.suite, self.target)
        self.baseline = Baseline() if baseline is None else read_baseline(baseline, all_cases)
        wanted = jobs if jobs is not None else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self.workers = 1 if jobs is None and len(self.planned) <= _FEW else max(1, wanted)

    def results(self) -> Iterator[Result]:
        """Run the plan; results come as they are ready."""
        by_id = {planned.id: planned for planned in self.planned}
        if self.workers == 1:
            results = run_in_process(
                self.suite, self.target, self.planned, seed=self.job.seed, timeout=self.job.timeout
            )
        else:
            results = run_in_processes(self.job, self.planned, self.workers)
        for result in results:
            yield self.baseline.apply(result, by_id[result.id])

    def report(self, on_result: Callable[[Result], None] | None = None) -> Report:
        """Run the plan to its end."""
        started = time.perf_counter()
        results: dict[str, Result] = {}
        for result in self.results():
            results[result.id] = result
            if on_result is not None:
                on_result(result)
        ordered = tuple(results[planned.id] for planned in self.planned)
        seconds = time.perf_counter() - started
        of_run = versions(self.suite, self.target)
        return Report(self.suite.name, self.job.target, self.job.seed, ordered, seconds, of_run)


def versions(suite: Suite, target: Any) -> dict[str, str]:
    """The versions of what took part; a suite adds its target's by a method `versions(target)`."""
    ours = {"tokentape": _version("tokentape"), "python": platform.python_version()}
    of_target = getattr(suite, "versions", None)
    return ours if of_target is None else ours | of_target(target)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
