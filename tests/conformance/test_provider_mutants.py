"""Every broken provider is caught, by the case that names its fault."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from tests.conformance import provider_mutants
from tests.conformance.mutants import MUTANTS, Mutant, outcome
from tests.conformance.provider_mutants.mangler import UNKNOWN_MODEL, Mangler, Site, serving
from tokentape_conformance.execution import run_case
from tokentape_conformance.plan import plan
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.suite import SUITE

pytestmark = pytest.mark.slow

for module in pkgutil.iter_modules(provider_mutants.__path__, f"{provider_mutants.__name__}."):
    importlib.import_module(module.name)

PROVIDERS = [mutant for mutant in MUTANTS if mutant.suite == "provider"]
Mangler.mangles["unchanged"] = lambda _: None

UNTRIPPED: frozenset[str] = frozenset()
"""Cases that no mutant trips."""
HELD = {"provider/http/increments", "provider/clients/leaving"}
"""What fails of a server that is mangled at all: answers are whole before they are changed."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held back stays away: there is no need to wait for it long."""
    monkeypatch.setattr("tokentape_conformance.provider.cases.http._PATIENCE_S", 0.3)


@pytest.fixture(scope="module", autouse=True)
def _site() -> Iterator[None]:
    with serving():
        yield


@pytest.mark.parametrize("mutant", PROVIDERS, ids=lambda mutant: mutant.name)
def test_it_is_caught(mutant: Mutant) -> None:
    """The cases that name the fault fail, the first of them and every other."""
    target = mutant.make()
    results = {case: outcome("provider", target, case, mutant.wire).status for case in mutant.cases}
    assert results == dict.fromkeys(mutant.cases, "failed")


@pytest.mark.parametrize("wire", GRAMMARS)
def test_the_ground_has_no_fault(wire: str) -> None:
    """What is passed on as it is passes every case: it is the one fault that is caught."""
    target = Site.target("unchanged", wire, UNKNOWN_MODEL)
    planned = [one for one in plan(SUITE, target) if not one.case.id.startswith("provider/sdk/")]
    results = [run_case(SUITE, target, one) for one in planned]
    assert {result.case for result in results if result.status == "failed"} == HELD


def test_which_cases_no_mutant_trips() -> None:
    """A case that finds no fault in any mutant is known by name: it may not be able to fail."""
    tripped = {case for mutant in PROVIDERS for case in mutant.cases}
    assert {case.id for case in SUITE.cases()} - tripped == UNTRIPPED


def test_there_are_enough_of_them() -> None:
    """At least 25, each with a name of its own."""
    names = [mutant.name for mutant in PROVIDERS]
    assert len(names) == len(set(names)) >= 25
