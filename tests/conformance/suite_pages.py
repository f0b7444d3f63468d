"""What the pages of suites for apps have to name."""

from __future__ import annotations

import typer.main

from tokentape_conformance.cli import app
from tokentape_conformance.suite import Suite


def case_rows(suite: Suite) -> list[str]:
    """The rows of the table of cases: each with its promise and needs, in order."""
    rows = []
    for case in suite.cases():
        needs = ", ".join(f"`{need}`" for need in sorted(case.needs))
        rows.append(f"| `{case.id.removeprefix(f'{suite.name}/')}` | {case.promise} | {needs} |")
    return rows


def missing_options(suite: Suite, text: str) -> list[str]:
    """The options that this suite has and the iterator's does not, and that a page does not name."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    own = {name for parameter in commands[suite.name].params for name in parameter.opts[:1]}
    shared = {name for parameter in commands["iterator"].params for name in parameter.opts}
    short = {"--request": "-X", "--header": "-H", "--data": "-d"}
    return [name for name in sorted(own - shared) if f"`{short.get(name, name)}" not in text]
