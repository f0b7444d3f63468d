"""The pages of the documentation: their blocks, and which of them a test of the page takes.

A test takes a block by `block_with(PAGE, "mark")`, or all blocks of a language by `code_blocks(PAGE, "yaml")`, where
`PAGE = page_text("docs/...")` is a constant of its module; `claimed` finds these calls in the source of the tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]


def page_text(path: str) -> str:
    """The text of a page, by its path in the repository."""
    return (REPOSITORY / path).read_text()


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}(?: [^\n]*)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def block_with(text: str, mark: str) -> str:
    """The one block that contains `mark`."""
    (found,) = [block for block in code_blocks(text, r"\w+") if mark in block]
    return found


def run(code: str, **names: Any) -> dict[str, Any]:
    """Run a block, and return what it defined."""
    exec(compile(code, "a block of the page", "exec"), names)
    return names


@cache
def claimed() -> dict[str, set[str]]:
    """The blocks of each page that the functions of the tests take."""
    found: dict[str, set[str]] = {}
    for path in sorted((REPOSITORY / "tests").rglob("*.py")):
        source = path.read_text()
        if "pages import" in source:
            for name, blocks in claims(source):
                found.setdefault(name, set()).update(blocks)
    return found


def claims(source: str) -> Iterator[tuple[str, list[str]]]:
    """The blocks, by page, that the functions of a module take."""
    module, names = ast.parse(source), {}
    for one in module.body:
        match one:
            case ast.Assign(
                targets=[ast.Name(name)],
                value=ast.Call(func=ast.Name("page_text"), args=[ast.Constant(str(path))]),
            ):
                names[name] = path
    functions = [one for one in module.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    for call in (node for function in functions for node in ast.walk(function)):
        match call:
            case ast.Call(
                func=ast.Name("block_with" | "code_blocks" as take),
                args=[ast.Name(name), ast.Constant(str(mark))],
            ) if name in names:
                text = page_text(names[name])
                yield names[name], [block_with(text, mark)] if take == "block_with" else code_blocks(text, mark)
