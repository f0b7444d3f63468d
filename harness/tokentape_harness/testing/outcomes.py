"""Outcomes: a pytest plugin that notes the outcome of each test, in a file if a variable names one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import pytest

FILE: Final = "TOKENTAPE_OUTCOMES"
_WORST_FIRST: Final = ("errors", "failed", "xpassed", "xfailed", "skipped", "passed")


class OutcomeCollector:
    """Notes the outcome of each test by its node id: passed, failed, errors, skipped, xfailed or xpassed."""

    def __init__(self) -> None:
        self.tests: dict[str, str] = {}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Note the outcomes as the terminal counts them."""
        for outcome in reversed(_WORST_FIRST):
            for report in terminalreporter.stats.get("error" if outcome == "errors" else outcome, ()):
                self.tests[report.nodeid] = outcome


def pytest_configure(config: pytest.Config) -> None:
    """Collect the outcomes of the run, if this module is its plugin."""
    config.pluginmanager.register(OutcomeCollector(), "tokentape_outcomes")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write them."""
    collector = config.pluginmanager.get_plugin("tokentape_outcomes")
    path = os.environ.get(FILE)
    if path and isinstance(collector, OutcomeCollector) and not hasattr(config, "workerinput"):
        Path(path).write_text(json.dumps(collector.tests), encoding="utf-8")
