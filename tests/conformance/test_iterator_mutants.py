"""Every broken iterator is caught, by the case that names its fault."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from tests.conformance import iterator_mutants
from tests.conformance.iterator_mutants.ground import Framed, Ground
from tests.conformance.mutants import MUTANTS, Mutant, outcome
from tokentape_conformance.execution import run_case
from tokentape_conformance.iterator.suite import SUITE
from tokentape_conformance.iterator.wires import SSE
from tokentape_conformance.plan import plan

for module in pkgutil.iter_modules(iterator_mutants.__path__, f"{iterator_mutants.__name__}."):
    importlib.import_module(module.name)

ITERATORS = [mutant for mutant in MUTANTS if mutant.suite == "iterator"]

UNTRIPPED: frozenset[str] = frozenset()
"""Cases that no mutant trips."""


@pytest.mark.parametrize("mutant", ITERATORS, ids=lambda mutant: mutant.name)
def test_it_is_caught(mutant: Mutant) -> None:
    """The cases that name the fault fail, the first of them and every other."""
    results = {case: outcome("iterator", mutant.make(), case, mutant.wire).status for case in mutant.cases}
    assert results == dict.fromkeys(mutant.cases, "failed")


WIRES = ("openai_chat", "gemini", "ollama", "bedrock_converse", "anthropic_messages")


@pytest.mark.parametrize(
    ("ground", "wires"),
    [(Framed, SSE[:1]), (Ground, WIRES[:1]), pytest.param(Ground, WIRES[1:], marks=pytest.mark.slow)],
)
def test_the_ground_has_no_fault(ground: type[Ground], wires: tuple[str, ...]) -> None:
    """The base of the mutants passes every case, so it is each mutant's one fault that is found."""
    target = ground()
    results = [run_case(SUITE, target, planned) for planned in plan(SUITE, target, wires=wires)]
    assert [result.id for result in results if result.status == "failed"] == []


def test_which_cases_no_mutant_trips() -> None:
    """A case that finds no fault in any mutant is known by name: it may not be able to fail."""
    tripped = {case for mutant in ITERATORS for case in mutant.cases}
    assert {case.id for case in SUITE.cases()} - tripped == UNTRIPPED


def test_there_are_enough_of_them() -> None:
    """At least 60, each with a name of its own."""
    names = [mutant.name for mutant in ITERATORS]
    assert len(names) == len(set(names)) >= 60
