"""The cases as pytest's tests: `pytest --pyargs tokentape_conformance --target module:factory`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tokentape_conformance.execution import run_case
from tokentape_conformance.pytest_suites import RUN
from tokentape_conformance.reports.failures import failure_text

if TYPE_CHECKING:
    from tokentape_conformance.result import PlannedCase


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case and wire format."""
    planned = metafunc.config.stash[RUN].planned
    metafunc.parametrize("planned", planned, ids=[case.id for case in planned])


def test_conformance(planned: PlannedCase, pytestconfig: pytest.Config) -> None:
    """The case's promise is kept."""
    run = pytestconfig.stash[RUN]
    result = run_case(run.suite, run.target, planned, seed=run.job.seed, timeout=run.job.timeout)
    result = run.baseline.apply(result, planned)
    match result.status:
        case "failed" | "fixed":
            pytest.fail(failure_text(result), pytrace=False)
        case "known":
            pytest.xfail(result.reason)
        case "skipped":
            pytest.skip(result.reason)
        case "passed":
            pass
