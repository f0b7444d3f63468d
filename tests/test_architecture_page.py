"""ARCHITECTURE.md and CONTRIBUTING.md name what is there, and what they say of it holds."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PACKAGES = (
    "src/tokentape",
    "fake_provider/tokentape_fake_provider",
    "harness/tokentape_harness",
)
UNLISTED = {
    "__init__",
    "__main__",
    "arguments",
    "errors",
    "finish_reason",
    "missing_extra",
    "text_run",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_is_listed(package: str) -> None:
    """Each folder and module at the top of a package has its row, and no row is left of one that is gone."""
    section = ARCHITECTURE.partition(f"### `{package}`")[2].partition("\n### ")[0].partition("\n## ")[0]
    rows = {name for line in section.splitlines() for name in re.findall(r"`(\w+)`", line.partition(" | ")[0])}
    rooms = {
        path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert rooms - rows <= UNLISTED
    assert rows <= rooms


@pytest.mark.parametrize("page", [ARCHITECTURE, CONTRIBUTING])
def test_named_files_exist(page: str) -> None:
    """Each path in the pages is that of a file or folder; `<wire>` stands for any wire format."""
    roots = (ROOT, *(ROOT / package for package in PACKAGES))
    paths = re.findall(r"`((?:[\w.<>-]+/)+[\w.<>-]*)`", page)
    assert len(paths) > 10
    for path in paths:
        one = path.replace("<wire>", "openai_chat").replace("<suite>", "iterator").replace("<client>", "httpx")
        assert any((root / one).exists() for root in roots), path


def test_no_circle_of_modules() -> None:
    """No module imports another that imports it, directly or through others, for types neither."""
    packages = ("tokentape", "tokentape_fake_provider", "tokentape_harness", "tokentape_conformance")
    graph = grimp.build_graph(*packages, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names one
