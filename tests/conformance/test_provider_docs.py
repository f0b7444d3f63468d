"""docs/conformance-provider.md is true: its tables name what there is, its numbers are counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conformance import test_provider_mutants
from tests.corpus import ROOT, WIRES, all_items
from tokentape_conformance.case_registry import Case
from tokentape_conformance.plan import plan
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.suite import SUITE
from tokentape_conformance.provider.target import CAPABILITIES, Target
from tokentape_fake_provider.hosting.server import FakeProviderServer

PAGE = Path(__file__).parents[2] / "docs" / "conformance-provider.md"
if not PAGE.exists():
    pytest.skip("the pages are not here: only the package is tested", allow_module_level=True)
TEXT = PAGE.read_text("utf-8")


def row(case: Case) -> str:
    """A case as the table has it."""
    wires = set(GRAMMARS if case.wires is None else case.wires)
    absent = [wire for wire in GRAMMARS if wire not in wires]
    named = [f"`{wire}`" for wire in (absent if len(wires) > 5 else case.wires or ())]
    wording = "all" if not absent else ("all but " if len(wires) > 5 else "") + ", ".join(named)
    needs = ", ".join(f"`{need}`" for need in sorted(case.needs))
    return f"| `{case.id.removeprefix('provider/')}` | {case.promise} | {wording} | {needs} |"


def test_the_table_of_cases() -> None:
    """It has every case, its promise, its wire formats and its needs."""
    table = TEXT[TEXT.index("| case | promise |") : TEXT.index("`errors/*` send")]
    cases = [case for case in SUITE.cases() if case.area != "own"]
    assert table.strip().splitlines()[2:] == [row(case) for case in cases]


def test_the_table_of_capabilities() -> None:
    """It has every one."""
    table = TEXT[TEXT.index("| capability |") : TEXT.index("| case | promise |")]
    assert table.strip().splitlines()[2:] == [f"| `{name}` | {what} |" for name, what in CAPABILITIES.items()]


def test_the_number_of_mutants() -> None:
    """It is the number on the page."""
    assert f"[{len(test_provider_mutants.PROVIDERS)} broken providers]" in TEXT


def test_the_number_of_cases() -> None:
    """It is the number of cases that run against the fake provider."""
    with FakeProviderServer() as server:
        assert f"every case on every wire format, {len(plan(SUITE, Target(server.url)))} in" in TEXT


@pytest.mark.skipif(not ROOT.exists(), reason="no recorded streams here")
def test_the_number_of_recorded_streams() -> None:
    """It is as many as the tables are held against."""
    streams = [i.wire_format for i in all_items() if WIRES.get(i.wire_format) in GRAMMARS and i.kind == "stream"]
    own = ("anthropic_messages", "bedrock_converse_stream", "cohere_chat_v2", "deepseek_chat", "ollama_chat")
    numbers = re.search(r"all (\d+) recorded streams.* own (\d+) chats", TEXT, re.DOTALL)
    assert numbers is not None
    assert [int(number) for number in numbers.groups()] == [len(streams), sum(name in own for name in streams)]
