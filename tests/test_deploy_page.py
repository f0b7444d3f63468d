"""What docs/deploy.md shows is so: the Action's inputs, the hooks, the npm package, the commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "deploy.md").read_text()


def blocks(language: str) -> list[str]:
    """The blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_action() -> None:
    """The page gives the Action only inputs that it has, and uses an output that it has."""
    (block,) = (block for block in blocks("yaml") if "steps:" in block)
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
    used = [step for step in yaml.safe_load(block)["steps"] if "tokentape" in step.get("uses", "")]
    assert {name for step in used for name in step["with"]} <= set(action["inputs"])
    assert set(re.findall(r"steps\.tokentape\.outputs\.(\w+)", block)) <= set(action["outputs"])


def test_the_hooks() -> None:
    """The page names all hooks of pre-commit."""
    (block,) = (block for block in blocks("yaml") if "repos:" in block)
    (repo,) = yaml.safe_load(block)["repos"]
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in hooks]


def test_the_npm_package() -> None:
    """The page and the README of the package show the same code, of what the package exports."""
    assert blocks("ts") == re.findall(r"```ts\n(.*?)```", (REPOSITORY / "npm" / "README.md").read_text(), re.DOTALL)
    source = (REPOSITORY / "npm" / "src" / "server.ts").read_text()
    for name in ("globalSetup", "globalTeardown", "fakeProvider", "startServer"):
        assert name in PAGE
        assert re.search(rf"export (async )?function {name}\b", source)


@pytest.mark.parametrize("name", ["TOKENTAPE_RULES", "TOKENTAPE_PORT", "TOKENTAPE_TOKEN"])
def test_the_variables_of_compose(name: str) -> None:
    """The page names each variable that compose.yaml reads, and no other."""
    read = re.findall(r"\$\{(\w+)", (REPOSITORY / "compose.yaml").read_text())
    assert name in read
    assert name in PAGE


def test_the_files_that_it_names() -> None:
    """Every file of the repository that the page names is there."""
    named = re.findall(r"(?:deploy|tests/packaging|tests/harness)/[\w/.-]+", PAGE)
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
