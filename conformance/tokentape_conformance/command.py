"""Command: run a suite against a target, print the results, write the reports."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from tokentape_conformance.execution import TIMEOUT_S, Job
from tokentape_conformance.reports.failures import failure_text
from tokentape_conformance.reports.html import report_html
from tokentape_conformance.reports.json import report_json
from tokentape_conformance.reports.junit import report_junit
from tokentape_conformance.reports.table import progress, report_table
from tokentape_conformance.result import Report, Result, summary
from tokentape_conformance.run import Run
from tokentape_harness.errors import UsageError

_PRINTED_IN_FULL = 10
_WIDTH = 120
"""Columns if the output is not a terminal."""


def conformance(
    suite: str,
    target: str,
    options: Mapping[str, str] = {},
    *,
    wires: Sequence[str] = (),
    cases: Sequence[str] = (),
    include: Sequence[str] = (),
    baseline: Path | None = None,
    seed: int = 0,
    jobs: int | None = None,
    timeout: float = TIMEOUT_S,
    json: str | None = None,
    junit: Path | None = None,
    html: Path | None = None,
) -> int:
    """Run the cases, print the failures and the table, write the reports; 1 if a promise is broken.

    `json` is a file, or `-` for standard output; then the table goes to standard error.
    """
    job = Job(suite, target, options, tuple(include), seed, timeout)
    run = Run(job, wires=wires, patterns=cases, baseline=baseline, jobs=jobs)
    console = Console(stderr=json == "-", highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    with progress(console, len(run.planned)) as advance:
        report = run.report(advance)
    _write(report, json=json, junit=junit, html=html)
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


def _write(report: Report, *, json: str | None, junit: Path | None, html: Path | None) -> None:
    if json == "-":
        sys.stdout.write(report_json(report).decode())
    elif json is not None:
        _write_file("--json", Path(json), report_json(report))
    if junit is not None:
        _write_file("--junit", junit, report_junit(report))
    if html is not None:
        _write_file("--html", html, report_html(report).encode())


def _write_file(option: str, path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error
