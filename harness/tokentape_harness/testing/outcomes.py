"""Outcomes: a pytest plugin that notes the outcome of each test, in a file if a variable names one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest

FILE: Final = "TOKENTAPE_OUTCOMES"
OUTCOMES: Final = ("passed", "skipped", "xfailed", "xpassed", "failed", "errors")
"""The outcomes, the worst last."""


class Outcomes(msgspec.Struct, frozen=True):
    """The worst outcome of each test by its node id, and the counts of pytest's summary."""

    tests: Mapping[str, str] = {}
    counts: Mapping[str, int] = {}


class OutcomeCollector:
    """Notes the outcomes of a run at its end."""

    def __init__(self) -> None:
        self.outcomes = Outcomes()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Note the outcomes as the terminal counts them."""
        stats = terminalreporter.stats
        found = {name: stats.get("error" if name == "errors" else name, ()) for name in OUTCOMES}
        tests = {report.nodeid: name for name, reports in found.items() for report in reports}
        self.outcomes = Outcomes(tests, {name: len(reports) for name, reports in found.items() if reports})


def pytest_configure(config: pytest.Config) -> None:
    """Collect the outcomes of the run, if this module is its plugin."""
    config.pluginmanager.register(OutcomeCollector(), "tokentape_outcomes")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write them."""
    collector = config.pluginmanager.get_plugin("tokentape_outcomes")
    path = os.environ.get(FILE)
    if path and isinstance(collector, OutcomeCollector) and not hasattr(config, "workerinput"):
        Path(path).write_bytes(msgspec.json.encode(collector.outcomes))
