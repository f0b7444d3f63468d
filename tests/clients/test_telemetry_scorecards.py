"""Real instrumentations have the scorecards that docs/telemetry-truth.md shows."""

from __future__ import annotations

import pytest

from tests.clients.telemetry_table import INSTRUMENTATIONS, PAGE, Instrumentation, column, report, written
from tests.environments import UnavailableError

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]


@pytest.mark.parametrize("one", INSTRUMENTATIONS, ids=lambda one: one.name)
def test_an_instrumentation_has_its_scorecard(one: Instrumentation) -> None:
    """Each case has the outcome of the table: kept, missing, wrong or skipped."""
    try:
        cells = column(one)
    except UnavailableError as error:
        pytest.skip(str(error))
    assert cells == written(PAGE.read_text())[one.name]


def test_two_instrumentations_of_one_sdk() -> None:
    """An app that turned on two of them has two spans for each request, and the finding names both."""
    both = Instrumentation("both", "opentelemetry-instrumentation-openai", "opentelemetry+openllmetry")
    try:
        results = report(both, "off", "--case", "spans/one-per-request")["results"]
    except UnavailableError as error:
        pytest.skip(str(error))
    (finding,) = results[0]["findings"]
    assert (finding["expected"], finding["seen"][:1]) == ("1", "2")
    assert "opentelemetry.instrumentation.openai_v2" in finding["seen"]
    assert "opentelemetry.instrumentation.openai.v1" in finding["seen"]
