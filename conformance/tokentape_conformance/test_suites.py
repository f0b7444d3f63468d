"""The cases as pytest's tests: `pytest --pyargs tokentape_conformance --target module:factory`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tokentape_conformance.execution import run_case
from tokentape_conformance.pytest_suites import RUN
from tokentape_conformance.reports.text import told

if TYPE_CHECKING:
    from tokentape_conformance.result import Planned


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a case and wire format."""
    planned = metafunc.config.stash[RUN].planned
    metafunc.parametrize("planned", planned, ids=[one.id for one in planned])


def test_conformance(planned: Planned, pytestconfig: pytest.Config) -> None:
    """The case's promise is kept."""
    run = pytestconfig.stash[RUN]
    result = run_case(run.suite, run.target, planned, seed=run.job.seed, timeout=run.job.timeout)
    result = run.baseline.apply(result, planned)
    match result.status:
        case "failed" | "mended":
            pytest.fail(told(result), pytrace=False)
        case "known":
            pytest.xfail(result.reason)
        case "skipped":
            pytest.skip(result.reason)
        case "passed":
            pass
