"""Every broken pipeline is caught, by the case that names its fault; the library's own responses pass all."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import msgspec
import pytest

from tests.conformance import leftovers, pipeline_mutants
from tests.conformance.mutants import MUTANTS, Mutant, outcome
from tests.conformance.pipeline_mutants.ground import (
    HURRIED,
    Ground,
    Htmx,
    HtmxSoFar,
    PlainText,
    SoFar,
    SoFarWithCursor,
)
from tests.conformance.pipeline_mutants.rejoining import REJOINABLE, Rejoinable
from tokentape_conformance.execution import run_case
from tokentape_conformance.pipeline.pipeline import Pipeline
from tokentape_conformance.pipeline.suite import SUITE
from tokentape_conformance.plan import plan

for module in pkgutil.iter_modules(pipeline_mutants.__path__, f"{pipeline_mutants.__name__}."):
    importlib.import_module(module.name)

# What is broken may leave its clients open, which are collected whenever that is.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

PIPELINES = [mutant for mutant in MUTANTS if mutant.suite == "pipeline"]

UNTRIPPED = frozenset(
    {
        *(f"pipeline/relay/{name}" for name in ("finish-reason", "usage", "tool-call", "two-tool-calls")),
        "pipeline/rejoining/after-a-restart",
    }
)
"""Cases that no mutant trips: those of gateways and of apps that a command serves, which have mutants of their own."""


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """What a target leaves behind is gone afterwards."""
    with leftovers.cleared():
        yield


@pytest.mark.parametrize("mutant", PIPELINES, ids=lambda mutant: mutant.name)
def test_it_is_caught(mutant: Mutant) -> None:
    """The cases that name the fault fail, the first of them and every other."""
    target = mutant.make()
    try:
        results = {case: outcome("pipeline", target, case, mutant.wire, timeout=30.0).status for case in mutant.cases}
    finally:
        target.close()
    assert results == dict.fromkeys(mutant.cases, "failed")


REJOINING, LEAVING = (
    frozenset(case.id for case in SUITE.cases() if case.area == area) for area in ("rejoining", "leaving")
)
"""The cases of responses to which readers come back; those of responses that end with their reader."""


@pytest.mark.parametrize("ground", [Ground, PlainText, SoFar, SoFarWithCursor, Htmx, HtmxSoFar, Rejoinable])
def test_the_ground_has_no_fault(ground: type[Ground]) -> None:
    """The base of the mutants passes every case, so it is each mutant's one fault that is found."""
    options, others = (REJOINABLE, LEAVING) if ground is Rejoinable else (HURRIED, REJOINING)
    target = Pipeline("ground", msgspec.structs.replace(options, limit=15.0), app=ground())
    try:
        results = [run_case(SUITE, target, planned) for planned in plan(SUITE, target)]
    finally:
        target.close()
    assert [result.id for result in results if result.status == "failed"] == []
    assert {result.case for result in results if result.status == "skipped"} == UNTRIPPED | others


def test_which_cases_no_mutant_trips() -> None:
    """A case that finds no fault in any mutant is known by name: it may not be able to fail."""
    tripped = {case for mutant in PIPELINES for case in mutant.cases}
    assert {case.id for case in SUITE.cases()} - tripped == UNTRIPPED


def test_there_are_enough_of_them() -> None:
    """At least 15, each with a name of its own."""
    names = [mutant.name for mutant in PIPELINES]
    assert len(names) == len(set(names)) >= 15
