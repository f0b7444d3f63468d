"""docs/telemetry-truth.md is true: it has every case, capability and option, the number of mutants, and each column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.telemetry_table import INSTRUMENTATIONS, written
from tests.conformance.mutants import MUTANTS
from tests.conformance.suite_pages import case_rows, missing_options
from tests.conformance.telemetry_mutants import faults, leaks  # noqa: F401 - registers them
from tokentape_conformance.telemetry.options import CAPABILITIES
from tokentape_conformance.telemetry.suite import SUITE

PAGE = Path(__file__).parents[2] / "docs" / "telemetry-truth.md"
if not PAGE.exists():
    pytest.skip("the pages are not here: only the package is tested", allow_module_level=True)
TEXT = PAGE.read_text("utf-8")


def test_the_table_of_cases() -> None:
    """It has every case with its promise and needs, in order; every case has a remedy."""
    assert re.findall(r"^\| `[a-z]+/.*$", TEXT.partition("## Scorecards")[0], re.MULTILINE) == case_rows(SUITE)
    assert [case.id for case in SUITE.cases() if not case.remedy] == []


def test_the_table_of_capabilities() -> None:
    """It has each of them."""
    table = TEXT[TEXT.index("| capability |") : TEXT.index("## The cases")]
    assert set(re.findall(r"`(\w+)`", table)) == set(CAPABILITIES)


def test_the_options() -> None:
    """The page has every option that this suite alone has."""
    assert missing_options(SUITE, TEXT) == []


def test_the_number_of_mutants() -> None:
    """It is the number on the page."""
    count = sum(mutant.suite == "telemetry" for mutant in MUTANTS)
    assert f"[{count} broken instrumentations]" in TEXT


def test_the_scorecards_have_every_case() -> None:
    """Each instrumentation has a cell for each case, its package and its version; the library's own has no fault."""
    cases = {case.id for case in SUITE.cases()}
    columns = written(TEXT)
    for one in INSTRUMENTATIONS:
        assert columns[one.name].keys() == cases
        assert f"| {one.name} | `{one.package}` {one.version}".rstrip() in TEXT
    assert set(columns["tokentape"].values()) == {"yes", "-"}
