"""Command: run a suite against a target, print the results, write the reports."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from tokentape_conformance.execution import Job
from tokentape_conformance.reports.failures import failure_text
from tokentape_conformance.reports.html import report_html
from tokentape_conformance.reports.json import report_json
from tokentape_conformance.reports.junit import report_junit
from tokentape_conformance.reports.table import progress, report_table
from tokentape_conformance.result import Report, Result, summary
from tokentape_conformance.run import Run
from tokentape_conformance.run_options import RunOptions
from tokentape_harness.errors import UsageError

_PRINTED_IN_FULL = 10
_WIDTH = 120
"""Columns if the output is not a terminal."""


def conformance(suite: str, target: str, options: Mapping[str, str], how: RunOptions) -> int:
    """Run the cases, print the failures and the table, write the reports; 1 if a promise is broken."""
    job = Job(suite, target, options, tuple(how.include or ()), how.seed, how.timeout)
    run = Run(job, wires=how.wires or (), patterns=how.cases or (), baseline=how.baseline, jobs=how.jobs)
    console = Console(stderr=how.json == "-", highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    with progress(console, len(run.planned)) as advance:
        report = run.report(advance)
    _write(report, how)
    _print(console, report)
    return 0 if report.kept else 1


def _print(console: Console, report: Report) -> None:
    by_case: dict[str, list[Result]] = {}
    for result in report.failures:
        by_case.setdefault(result.case, []).append(result)
    for number, (case, found) in enumerate(by_case.items()):
        wires = [result.wire for result in found]
        if number < _PRINTED_IN_FULL:
            console.print(failure_text(found[0]), markup=False, soft_wrap=True)
            if wires[1:]:
                console.print(f"  and on     {', '.join(wires[1:])}", markup=False, soft_wrap=True)
            console.print()
        else:
            console.print(f"{found[0].status.upper()} {case} on {', '.join(wires)}", markup=False, soft_wrap=True)
    console.print(report_table(report))
    for status in ("known", "skipped"):
        reasons = Counter(
            reason
            for result in report.results
            if result.status == status
            for reason in (result.reason.split("; ") if status == "skipped" else [result.reason])
        )
        for reason, count in reasons.most_common():
            console.print(f"{status} {count:5}  {reason}", markup=False, soft_wrap=True)
    console.print(f"{summary(report)} in {report.seconds:.1f} s", markup=False)


def _write(report: Report, how: RunOptions) -> None:
    if how.json == "-":
        sys.stdout.write(report_json(report).decode())
    elif how.json is not None:
        _write_file("--json", Path(how.json), report_json(report))
    if how.junit is not None:
        _write_file("--junit", how.junit, report_junit(report))
    if how.html is not None:
        _write_file("--html", how.html, report_html(report).encode())


def _write_file(option: str, path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error
