"""Runs `tokentape conformance` in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tokentape_conformance.suite import Suite
from tokentape_harness.cli import main


class Ran(NamedTuple):
    """What a command did."""

    code: Any
    out: str
    err: str


Run = Callable[..., Ran]


def forget_included(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cases that the test includes, and folders that it imports from, be gone afterwards."""
    cases = sys.modules["tokentape_conformance.case_registry"]
    monkeypatch.setattr(cases, "_CASES", {case.id: case for case in suite.cases()})
    monkeypatch.setattr(sys, "path", list(sys.path))


def runner(suite: str, capfd: pytest.CaptureFixture[str]) -> Run:
    """A function that runs the suite's command with these arguments, in `jobs` processes."""

    def command(*arguments: object, jobs: int = 1) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["conformance", suite, "--jobs", str(jobs), *map(str, arguments)])
        return Ran(ended.value.code, *capfd.readouterr())

    return command
