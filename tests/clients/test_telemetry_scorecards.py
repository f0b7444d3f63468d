"""Real instrumentations have the scorecards that docs/telemetry-truth.md shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.clients.telemetry_table import INSTRUMENTATIONS, PAGE, Apps, Instrumentation, columns, results, written
from tests.conformance import leftovers
from tests.environments import UnavailableError

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600), pytest.mark.xdist_group("telemetry")]


@pytest.fixture(scope="module")
def apps() -> Iterator[Apps]:
    """What starts the apps."""
    try:
        with Apps() as running:
            yield running
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def found(apps: Apps) -> Mapping[str, Mapping[str, str]]:
    """The columns of all, which run side by side."""
    return columns(INSTRUMENTATIONS, apps)


@pytest.mark.parametrize("one", INSTRUMENTATIONS, ids=lambda one: one.name)
def test_an_instrumentation_has_its_scorecard(one: Instrumentation, found: Mapping[str, Mapping[str, str]]) -> None:
    """Each case has the outcome of the table: kept, missing, wrong or skipped."""
    assert found[one.name] == written(PAGE.read_text())[one.name]


def test_two_instrumentations_of_one_sdk(apps: Apps) -> None:
    """An app that turned on two of them has two spans for each request, and the finding names both."""
    both = Instrumentation("both", "opentelemetry-instrumentation-openai", "opentelemetry+openllmetry")
    with leftovers.cleared():
        (result,) = results(both, "off", apps, ["spans/one-per-request"])
    (finding,) = result.findings
    assert (finding.expected, finding.seen[:1]) == ("1", "2")
    assert "opentelemetry.instrumentation.openai_v2" in finding.seen
    assert "opentelemetry.instrumentation.openai.v1" in finding.seen
