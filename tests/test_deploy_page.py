"""What docs/deploy.md shows is so: the Action's inputs, the hooks, the npm package, the commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.pages import REPOSITORY, block_with, code_blocks, page_text
from tokentape_harness.cli.commands import COMMANDS

CONFORMANCE = page_text("docs/conformance.md")
PAGE = page_text("docs/deploy.md")


def test_the_action() -> None:
    """The page gives the Action only inputs that it has, and uses an output that it has."""
    block = block_with(PAGE, "steps:")
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
    used = [step for step in yaml.safe_load(block)["steps"] if "tokentape" in step.get("uses", "")]
    assert {name for step in used for name in step["with"]} <= set(action["inputs"])
    assert set(re.findall(r"steps\.tokentape\.outputs\.(\w+)", block)) <= set(action["outputs"])


def test_the_workflow_of_conformance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line takes the command of the workflow that docs/conformance.md shows."""
    (job,) = yaml.safe_load(block_with(CONFORMANCE, "upload-artifact"))["jobs"].values()
    (line,) = [step["run"] for step in job["steps"] if step.get("run", "").startswith("tokentape ")]
    _, group, name, *arguments = shlex.split(line)
    (command,) = [command for command in COMMANDS if command.name == group]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "known.toml").touch()
    command.load().commands[name].make_context(name, arguments)


def test_the_hooks() -> None:
    """The page names all hooks of pre-commit."""
    (repo,) = yaml.safe_load(block_with(PAGE, "repos:"))["repos"]
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in hooks]


def test_the_npm_package() -> None:
    """The page and the README of the package show the same code, of what the package exports."""
    assert code_blocks(PAGE, "ts") == code_blocks(page_text("npm/README.md"), "ts")
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
