"""Every broken instrumentation is caught by the one case that names its fault; the right one passes all."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance import leftovers
from tests.conformance.mutants import MUTANTS, Mutant
from tests.conformance.pipelines.chatting import QUESTION
from tests.conformance.telemetry_mutants import faults, leaks  # noqa: F401 - registers them
from tests.conformance.telemetry_mutants.ground import Call, Ground
from tests.conformance.telemetry_mutants.recorded import hurried
from tokentape_conformance.execution import run_case
from tokentape_conformance.plan import plan
from tokentape_conformance.result import Result
from tokentape_conformance.telemetry.suite import SUITE
from tokentape_conformance.telemetry.telemetry_target import TelemetryTarget

# What is broken may leave its clients open, which are collected whenever that is.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

TELEMETRY = [mutant for mutant in MUTANTS if mutant.suite == "telemetry"]


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """What a target leaves behind is gone afterwards."""
    with leftovers.cleared():
        yield


def results(target: TelemetryTarget) -> list[Result]:
    """The result of every case."""
    try:
        return [run_case(SUITE, target, planned) for planned in plan(SUITE, target)]
    finally:
        target.close()


@pytest.mark.parametrize("mutant", TELEMETRY, ids=lambda mutant: mutant.name)
def test_it_is_caught(mutant: Mutant) -> None:
    """The case that names the fault fails, and no other."""
    failed = {result.case: result.findings for result in results(mutant.make()) if result.status == "failed"}
    assert failed.keys() == set(mutant.cases), failed


@pytest.mark.parametrize("content", ["on", "off"])
def test_the_ground_has_no_fault(content: str) -> None:
    """The base of the mutants passes every case that its content allows, so each mutant's one fault is found."""
    found = results(TelemetryTarget("ground", hurried(content), app=Ground()))  # type: ignore[arg-type]
    other = {"on": "content_off", "off": "content_on"}[content]
    skipped = {result.case for result in found if result.status == "skipped"}
    assert [result for result in found if result.status == "failed"] == []
    assert skipped == {case.id for case in SUITE.cases() if other in case.needs}


class Newer(Ground):
    """An app whose instrumentation has the names of semantic-conventions-genai 0.1."""

    def attributes(self, call: Call) -> dict[str, Any]:
        """A finish reason that did not come is an error."""
        return {"gen_ai.response.finish_reasons": ["error"], **super().attributes(call)}

    def metrics(self, call: Call) -> dict[str, list[tuple[float, dict[str, Any]]]]:
        """Times of inferences, and a counter for each direction."""
        found = super().metrics(call)
        tokens = found.pop("gen_ai.client.token.usage")
        return {name.replace("operation", "inference"): values for name, values in found.items()} | {
            f"gen_ai.client.inference.usage.{attributes['gen_ai.token.type']}_tokens": [(count, {})]
            for count, attributes in tokens
        }


def test_the_newer_conventions_have_no_fault() -> None:
    """The names of semantic-conventions-genai 0.1 are known: nothing fails, and nothing is skipped for them."""
    found = results(TelemetryTarget("newer", hurried("off"), app=Newer()))
    assert [result for result in found if result.status == "failed"] == []
    skipped = {result.case for result in found if result.status == "skipped"}
    assert skipped == {case.id for case in SUITE.cases() if "content_on" in case.needs}


class Thorough(Ground):
    """An app that sends the provider two requests besides: an embedding, and a stream that it reads by itself."""

    def __call__(self) -> Iterator[str]:
        url = f"{os.environ['OPENAI_BASE_URL']}/embeddings"
        body = json.dumps({"model": "text-embedding-3-small", "input": "sea"}).encode()
        headers = {"content-type": "application/json", "authorization": "Bearer any"}
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).close()
        list(self.answer(QUESTION))
        yield from self.answer(QUESTION)


def test_an_app_that_calls_the_model_several_times_has_no_fault() -> None:
    """Each call has its span, an embedding needs none, and metrics that have values of both calls are not judged."""
    found = results(TelemetryTarget("thorough", hurried("off"), app=Thorough()))
    skipped = {result.case: result.reason for result in found if result.status == "skipped"}
    assert [result for result in found if result.status == "failed"] == []
    assert "requests for one of its own" in skipped["telemetry/times/duration-metric"]


def test_every_case_has_a_mutant() -> None:
    """No case is without an instrumentation that fails it."""
    assert {case for mutant in TELEMETRY for case in mutant.cases} == {case.id for case in SUITE.cases()}
