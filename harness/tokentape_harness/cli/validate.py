"""validate: the problems of rules files and cassettes, with their places."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from tokentape_fake_provider.sessions.rules_file import rules_schema
from tokentape_harness import terminal_text
from tokentape_harness.cli.messages import counted
from tokentape_harness.cli.options import Json
from tokentape_harness.errors import UsageError
from tokentape_harness.redaction import redact_text
from tokentape_harness.served_files.validation import validate_files


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATHS]...", help="Rules files, cassettes, and folders of both."),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of rules files.")] = False,
    as_json: Json = False,
) -> int:
    """Print every problem in one line: file, line, column, field, what is wrong, what to do. 1 if there are any.

    Raises `CassetteNotFoundError`, `UsageError`.
    """
    if schema:
        print(json.dumps(rules_schema(), indent=2, ensure_ascii=False))
        return 0
    if not paths:
        raise UsageError("name rules files, cassettes or folders of them; --schema prints the JSON Schema")
    kinds, problems = validate_files(paths)
    if as_json:
        files = [{"file": str(path), "kind": kind} for path, kind in kinds.items()]
        print(terminal_text.dump({"files": files, "problems": [problem._asdict() for problem in problems]}))
        return 1 if problems else 0
    for problem in problems:
        print(terminal_text.printable(redact_text(str(problem))))
    counts = Counter(kinds.values())
    files_found = f"{counted(counts['rules'], 'rules file')}, {counted(counts['cassette'], 'cassette')}"
    print(f"{files_found}: {counted(len(problems), 'problem') if problems else 'nothing wrong'}")
    return 1 if problems else 0
