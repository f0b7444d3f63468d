"""Mutants: targets with one fault each, and the cases that must find it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from tokentape_conformance.execution import run_case
from tokentape_conformance.result import PlannedCase, Result
from tokentape_conformance.suite import suite_named

MakerT = TypeVar("MakerT", bound=Callable[[], Any])


class Mutant(NamedTuple):
    """A target with one fault: `make` creates it, `cases` find it (the first names it), on `wire`."""

    suite: str
    name: str
    fault: str
    cases: tuple[str, ...]
    wire: str
    make: Callable[[], Any]


MUTANTS: list[Mutant] = []


def mutant(suite: str, *cases: str, wire: str = "openai_chat") -> Callable[[MakerT], MakerT]:
    """Register a class or function that creates a target; its docstring is the fault, `cases` are `area/name`."""

    def register(make: MakerT) -> MakerT:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", make.__name__).lower().replace("_", "-")
        assert make.__doc__, name
        MUTANTS.append(
            Mutant(suite, name, make.__doc__.splitlines()[0], tuple(f"{suite}/{case}" for case in cases), wire, make)
        )
        return make

    return register


def outcome(suite: str, target: Any, case: str, wire: str, *, timeout: float = 10.0) -> Result:
    """The result of a case with a target."""
    cases = {known.id: known for known in suite_named(suite).cases()}
    return run_case(suite_named(suite), target, PlannedCase(cases[case], wire), timeout=timeout)
