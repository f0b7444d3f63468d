"""docs/conformance-pipeline.md is true: it names every case, capability and option, and counts the mutants."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.conformance import test_pipeline_mutants
from tests.conformance.suite_pages import case_rows, missing_options
from tokentape_conformance.baseline import read_baseline
from tokentape_conformance.pipeline.options import CAPABILITIES
from tokentape_conformance.pipeline.suite import SUITE
from tokentape_conformance.result import PlannedCase

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance-pipeline.md"
if not PAGE.exists():
    pytest.skip("the pages are not here: only the package is tested", allow_module_level=True)
TEXT = PAGE.read_text("utf-8")


def test_the_table_of_cases() -> None:
    """It has every case with its promise and needs, in order."""
    assert re.findall(r"^\| `[a-z]+/.*$", TEXT, re.MULTILINE) == case_rows(SUITE)


def test_the_table_of_capabilities() -> None:
    """It has each of them."""
    table = TEXT[TEXT.index("| capability |") : TEXT.index("## The cases")]
    assert set(re.findall(r"`(\w+)`", table)) == set(CAPABILITIES)


def test_the_options() -> None:
    """The page has every option that this suite alone has."""
    assert missing_options(SUITE, TEXT) == []


def test_the_number_of_mutants() -> None:
    """It is the number on the page."""
    assert f"[{len(test_pipeline_mutants.PIPELINES)} broken pipelines]" in TEXT


def test_the_baseline_of_the_gateway_names_cases() -> None:
    """Each deviation of LiteLLM's is a case that there is, and has a reason."""
    path = ROOT / "examples" / "conformance" / "litellm_pipeline.toml"
    every = [PlannedCase(case, "openai_chat") for case in SUITE.cases()]
    assert len(read_baseline(path, every).deviation) == len(tomllib.loads(path.read_text())["deviation"]) == 3
