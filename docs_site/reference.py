"""The reference: pages generated from docstrings, commands, the pytest plugin, the control API and the rules schema."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer
from starlette.testclient import TestClient
from typer.cli import get_docs_for_click

from docs_site.schema import object_section, operation_section
from docs_site.sources import DOORS
from tokentape_fake_provider import create_app
from tokentape_fake_provider.sessions.rules_file import rules_schema
from tokentape_harness import pytest_plugin
from tokentape_harness.cli.commands import COMMANDS


def reference_pages() -> Iterator[tuple[str, str]]:
    """The name and the text of each generated page."""
    yield "command-line.md", command_line()
    yield "pytest.md", fixtures_and_marks()
    yield "http-api.md", control_api()
    yield "rules-schema.md", rules_file()
    for door, about in DOORS.items():
        yield f"{door}.md", python_api(door, about)


def python_api(door: str, about: str) -> str:
    """All that a package exports; mkdocstrings reads the docstrings."""
    names = sorted(import_module(door).__all__, key=str.lower)
    blocks = "\n\n".join(f"::: {door}.{name}" for name in names)
    return f"# `{door}`: {about}\n\n{blocks}\n"


def command_line() -> str:
    """Every command with its arguments and options."""
    text = "# Command line\n\n`tokentape COMMAND --help` prints the same.\n"
    for command in COMMANDS:
        loaded = command.load()
        docs = get_docs_for_click(obj=loaded, ctx=typer.Context(loaded), name=command.name, call_prefix="tokentape")
        text += f"\n{docs.replace('`: ', '` ').replace('# `', '## `', 1) if docs.startswith('# ') else docs}"
    return text


class Registered:
    """What the plugin registers with pytest; takes the place of pytest's configuration and parser."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.options: list[tuple[str, dict[str, Any]]] = []
        plugin: Any = pytest_plugin
        plugin.pytest_configure(self)
        plugin.pytest_addoption(self)

    def addinivalue_line(self, _: str, line: str) -> None:
        """Register a mark."""
        self.marks.append(line)

    def getgroup(self, _: str) -> Registered:
        """The group of options, of which there is one."""
        return self

    def addoption(self, name: str, **facts: Any) -> None:
        """Register an option."""
        self.options.append((name, facts))


def fixtures_and_marks() -> str:
    """Every fixture, mark and option of the pytest plugin."""
    text = (
        "# Fixtures, marks and options of pytest\n\n`pip install 'tokentape[harness]'` brings the plugin; pytest finds "
        "it by itself. [`FakeProvider`][tokentape_harness.FakeProvider] has the methods of the fixtures' object.\n\n## "
        "Fixtures\n"
    )
    for node in ast.parse(inspect.getsource(pytest_plugin)).body:
        if isinstance(node, ast.FunctionDef) and (scope := _fixture_scope(node)):
            value = re.sub(r"^Iterator\[(.*)\]$", r"\1", ast.unparse(node.returns) if node.returns else "None")
            text += f"\n### `{node.name}`\n\nScope: {scope}. Value: `{value}`.\n\n{ast.get_docstring(node)}\n"
    registered = Registered()
    text += "\n## Marks\n"
    for line in registered.marks:
        call, _, about = line.partition("): ")
        text += f"\n### `{call.partition('(')[0]}`\n\n`@pytest.mark.{call})`\n\n{about[0].upper()}{about[1:]}.\n"
    text += "\n## Options\n\n| option | |\n|---|---|\n"
    for name, facts in registered.options:
        choices = "\\|".join(facts.get("choices", ())) or facts.get("metavar", "")
        text += f"| `{name}={choices}` | {facts['help']} |\n"
    return text


def _fixture_scope(function: ast.FunctionDef) -> str | None:
    """The scope of a fixture; `None` for any other function."""
    for decorator in map(ast.unparse, function.decorator_list):
        if decorator.startswith("pytest.fixture"):
            return "session" if "scope='session'" in decorator else "function"
    return None


def control_api() -> str:
    """Every operation of the control API, and the objects that they read and send."""
    with TestClient(create_app(), base_url="http://127.0.0.1") as client:
        document = client.get("/_tokentape/openapi.json").json()
    text = (
        "# HTTP operations of the control API\n\n"
        "A running server has the same as an OpenAPI document, at `/_tokentape/openapi.json`. What the operations are "
        "for stands under [control API](../control-api.md).\n\n## Operations\n"
    )
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            text += operation_section(method, path, operation)
    text += "\n## Objects\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        text += object_section(name, schema)
    return text


def rules_file() -> str:
    """Every field of a rules file."""
    schema = rules_schema()
    text = (
        "# Fields of a rules file\n\n"
        "`tokentape init` writes the same as a JSON Schema, for editors. [Rules files](../rules-file.md) shows how to "
        "write one.\n"
    )
    text += object_section("The file", schema)
    for name, definition in schema["$defs"].items():
        text += object_section(name, definition)
    return text
