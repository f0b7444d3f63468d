"""docs/conformance-pipeline.md is true: it names every case, capability and option, and counts the mutants."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from tests.conformance import test_pipeline_mutants
from tokentape_conformance.baseline import read_baseline
from tokentape_conformance.cli import app
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
    rows = []
    for case in SUITE.cases():
        needs = ", ".join(f"`{need}`" for need in sorted(case.needs))
        rows.append(f"| `{case.id.removeprefix('pipeline/')}` | {case.promise} | {needs} |")
    assert re.findall(r"^\| `[a-z]+/.*$", TEXT, re.MULTILINE) == rows


def test_the_table_of_capabilities() -> None:
    """It has each of them."""
    table = TEXT[TEXT.index("| capability |") : TEXT.index("## The cases")]
    assert set(re.findall(r"`(\w+)`", table)) == set(CAPABILITIES)


def test_the_options() -> None:
    """The page has every option that this suite alone has."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    own = {name for parameter in commands["pipeline"].params for name in parameter.opts[:1]}
    shared = {name for parameter in commands["iterator"].params for name in parameter.opts}
    short = {"--request": "-X", "--header": "-H", "--data": "-d"}
    assert [name for name in sorted(own - shared) if f"`{short.get(name, name)}" not in TEXT] == []


def test_the_number_of_mutants() -> None:
    """It is the number on the page."""
    assert f"[{len(test_pipeline_mutants.PIPELINES)} broken pipelines]" in TEXT


def test_the_baseline_of_the_gateway_names_cases() -> None:
    """Each deviation of LiteLLM's is a case that there is, and has a reason."""
    path = ROOT / "examples" / "conformance" / "litellm_pipeline.toml"
    every = [PlannedCase(case, "openai_chat") for case in SUITE.cases()]
    assert len(read_baseline(path, every).deviation) == len(tomllib.loads(path.read_text())["deviation"]) == 3
