"""Pytest report: the verdicts of a run's tests, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tokentape_fake_provider.verdict.finding import Verdict
from tokentape_harness.errors import UsageError
from tokentape_harness.testing.verdicts.case import JudgedCase
from tokentape_harness.testing.verdicts.files import write_verdicts


def judged(item: pytest.Item, verdict: Verdict) -> Any:
    """The verdict on a test, with its place, in types that xdist can send."""
    file, line, _ = item.location
    return msgspec.to_builtins(JudgedCase(item.nodeid, verdict, file, None if line is None else line + 1))


def write_report(reporter: pytest.TerminalReporter, name: str) -> str:
    """Write the verdicts that tests have in the user property `name`; return a line for the terminal."""
    reports = [report for reports in reporter.stats.values() for report in reports]
    found = {
        value["name"]: msgspec.convert(value, JudgedCase)
        for report in reports
        for key, value in getattr(report, "user_properties", ())
        if key == name
    }
    config = reporter.config
    path = config.invocation_params.dir / Path(config.getoption("--tokentape-verdict"))
    count = sum(len(case.verdict.findings) for case in found.values())
    try:
        write_verdicts(path, list(found.values()))
    except (OSError, UsageError) as error:
        return f"tokentape verdict: not written: {error}"
    return f"tokentape verdict: {count} findings in {len(found)} tests, written to {path}"
