"""Conformance: does an implementation keep the contract of streaming? Cases, a runner, and suites of them.

A case is a function under `@case`; a suite knows its targets and wires; the runner plans, runs and reports.
"""

from __future__ import annotations

from tokentape_conformance.case import Case, case
from tokentape_conformance.trial import Trial
from tokentape_harness.errors import PromiseBrokenError

__all__ = ["Case", "PromiseBrokenError", "Trial", "case"]
