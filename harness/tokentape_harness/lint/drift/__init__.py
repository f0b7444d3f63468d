"""Drift: sends recorded requests again, and ranks how the answers differ from the recorded ones."""

from tokentape_harness.lint.drift.findings import SEVERITIES, Finding, Severity, find_drift
from tokentape_harness.lint.drift.keys import Keys
from tokentape_harness.lint.drift.plan import Budget, Plan, Planned, Skipped, plan_requests
from tokentape_harness.lint.drift.report import markdown, summary
from tokentape_harness.lint.drift.run import Outcome, run_plan
from tokentape_harness.lint.drift.update import update_cassettes

__all__ = [
    "SEVERITIES",
    "Budget",
    "Finding",
    "Keys",
    "Outcome",
    "Plan",
    "Planned",
    "Severity",
    "Skipped",
    "find_drift",
    "markdown",
    "plan_requests",
    "run_plan",
    "summary",
    "update_cassettes",
]
