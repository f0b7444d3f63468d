"""No page shows code that can't run: every block of Python compiles, every command is one that is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from docs_site.sources import REPOSITORY
from tests.docs_site.runnable import blocks
from tokentape_harness.cli.commands import COMMANDS

PAGES = ["README.md", *(p.relative_to(REPOSITORY).as_posix() for p in sorted((REPOSITORY / "docs").rglob("*.md")))]
COMMAND = re.compile(r"^(?:    |\$ |    \$ )(?:\w+=\S* )*tokentape ((?:[^\n\\]|\\\n)*)", re.MULTILINE)
"""A command in a console block, or in an indented one."""
OPTION = re.compile(r"--[a-z][a-z-]*[a-z]")


@pytest.mark.parametrize("page", PAGES)
def test_python_compiles(page: str) -> None:
    """Each block of Python is valid, `await` outside of a function included."""
    for block in blocks((REPOSITORY / page).read_text()):
        if block.language == "python":
            compile(block.text, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def commands(page: str) -> Iterator[list[str]]:
    """The arguments of each `tokentape` command that a page shows, up to the command that it runs."""
    for text in COMMAND.findall((REPOSITORY / page).read_text()):
        words = re.split(r"\s[|&;>#]", text.replace("\\\n", " "))[0].split()
        yield words[: words.index("--")] if "--" in words else words


@pytest.mark.slow
def test_commands_and_options_are_there() -> None:
    """Each command that a page shows is one of the command line, and so are its options."""
    wrong = []
    known = {command.name: command.load() for command in COMMANDS}
    for page in PAGES:
        for name, *arguments in filter(None, commands(page)):
            if name.startswith("-") or not re.fullmatch(r"[a-z][a-z-]*", name):
                continue
            found = known.get(name)
            options = {option for one in options_of(found) for option in one} if found else set()
            wrong += [
                f"{page}: {name} {word}"
                for word in arguments
                if OPTION.match(word) and word.partition("=")[0] not in options
            ]
            wrong += [] if found else [f"{page}: {name}"]
    assert wrong == []


def options_of(command: object) -> Iterator[list[str]]:
    """The options of a command, and of those below it."""
    yield from ([*one.opts, *one.secondary_opts, "--help"] for one in getattr(command, "params", ()))
    for below in getattr(command, "commands", {}).values():
        yield from options_of(below)
