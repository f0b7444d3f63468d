"""docs/conformance.md is true: its adapter runs, its case runs, its tables name what there is."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conformance.iterator_mutants.chunks import DropsZero
from tests.conformance.mutants import MUTANTS
from tokentape_conformance.adapters.tokentape import TokentapeAdapter
from tokentape_conformance.case_registry import include
from tokentape_conformance.execution import run_case
from tokentape_conformance.iterator.adapter import ASSUMED, Adapter, has, lack
from tokentape_conformance.iterator.suite import SUITE
from tokentape_conformance.iterator.wires import ALL
from tokentape_conformance.plan import plan
from tokentape_harness.cli import main

cases = sys.modules["tokentape_conformance.case_registry"]
PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
if not PAGE.exists():
    pytest.skip("the pages are not here: only the package is tested", allow_module_level=True)
TEXT = PAGE.read_text("utf-8")
SHOUTING, ADAPTER = (
    next(block for block in re.findall(r"```python[^\n]*\n(.*?)```", TEXT, re.DOTALL) if mark in block)
    for mark in ("@case", "class Adapter")
)
OURS = "tokentape_conformance:tokentape_adapter"
METHODS = {name for name in vars(Adapter) if not name.startswith("_")} - {"open", "aopen"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; cases that are included are gone afterwards."""
    monkeypatch.setattr(cases, "_CASES", {case.id: case for case in SUITE.cases()})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def code(*arguments: str) -> object:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["conformance", "iterator", *arguments, "--jobs", "1"])
    return ended.value.code


def test_a_case_is_one_file_of_under_twenty_lines(folder: Path) -> None:
    """The page's case, as it stands there, runs on every wire format; and it can fail."""
    file = folder / "shouting.py"
    file.write_text(SHOUTING)
    assert len(SHOUTING.splitlines()) < 20
    assert code(OURS, "--include", "shouting.py", "--case", "own") == 0
    include([str(file)])
    target = TokentapeAdapter()
    planned = plan(SUITE, target, patterns=["iterator/own/shouting"])
    assert [one.wire for one in planned] == list(ALL)

    class Lowers(TokentapeAdapter):
        def text(self, chunk):  # type: ignore[no-untyped-def]
            return chunk.text.lower()

    results = [run_case(SUITE, Lowers(), one) for one in planned]
    assert {(result.status, result.findings[0].seen) for result in results} == {("failed", "'the sea'")}


def test_the_adapter_of_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It passes the cases that its library supports, and skips those that it declares."""
    (folder / "my_adapter.py").write_text(ADAPTER)
    (folder / "my_library.py").write_text(
        "from tokentape import stream_bytes\n\n\ndef read(source):\n"
        "    return (chunk.text for chunk in stream_bytes(source))\n"
    )
    assert code("my_adapter:adapter", "--case", "text", "--case", "iteration", "--case", "splits") == 0
    assert "second_loop: one pass by design" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_what_the_official_sdks_do_otherwise(sdk: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Their deviations are those of the baseline, no more and no fewer, at the version that it and the page name."""
    pytest.importorskip(sdk)
    baseline = PAGE.parents[1] / "examples" / "conformance" / f"{sdk}_sdk.toml"
    target = f"tokentape_conformance:{sdk}_sdk_adapter"
    assert code(target, "--baseline", str(baseline)) == 0, capsys.readouterr().out
    named = f"({version(sdk)})"
    assert named in baseline.read_text()
    assert f"{sdk} {named[1:-1]}" in TEXT


def test_the_table_of_methods() -> None:
    """It names every method of the protocol and every other capability."""
    table = TEXT[TEXT.index("| about | methods |") : TEXT.index("The bytes come from")]
    assert set(re.findall(r"`(\w+)`", table)) == METHODS - {"wires", "lacks", "versions"} | {
        "aclose",
        *ASSUMED,
        "lacks",
    }


def test_the_areas() -> None:
    """The page lists them all."""
    text = TEXT[TEXT.index("The areas are") : TEXT.index("Can the cases fail?")]
    assert set(re.findall(r"`([a-z-]+)`", text)) == {case.area for case in SUITE.cases() if case.area != "own"}


def test_the_number_of_mutants() -> None:
    """It is the number on the page."""
    from tests.conformance import test_iterator_mutants

    assert f"[{len(test_iterator_mutants.ITERATORS)} broken iterators]" in TEXT
    assert DropsZero in [mutant.make for mutant in MUTANTS]


def test_every_capability_is_known_and_needed() -> None:
    """What cases need is in the protocol, what is in the protocol some case needs, and our own adapter has it all."""
    needed = set().union(*(case.needs for case in SUITE.cases())) - {"sync", "async"}
    assert needed <= METHODS | set(ASSUMED)
    assert (METHODS | set(ASSUMED)) - needed == {"text", "aclose"}
    ours = TokentapeAdapter()
    assert [name for name in needed if lack(ours, name) is not None] == []


def test_a_method_of_the_protocol_itself_is_no_capability() -> None:
    """A subclass of the protocol has the methods that it defines, and no more."""

    class Derived(Adapter):
        def open(self, source, wire, **options):  # type: ignore[no-untyped-def]
            return iter(source)

        def text(self, chunk):  # type: ignore[no-untyped-def]
            return chunk

    derived = Derived()
    assert [name for name in sorted(METHODS | {"open"}) if has(derived, name)] == ["open", "text"]
