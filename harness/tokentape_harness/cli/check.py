"""check: the problems of cassettes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tokentape_fake_provider.sessions.matching.machine import this_machine
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.files import find_cassettes
from tokentape_harness.cassettes.model import Cassette
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cli.messages import counted
from tokentape_harness.cli.options import Json, RedactHeaders, RedactPaths, RedactTexts, redaction_rules
from tokentape_harness.errors import CassetteError, CassetteWarning, UsageError
from tokentape_harness.lint import PROBLEM_KINDS, Problem, inspect_cassette, parse_age, read_unused
from tokentape_harness.redaction import RedactionRules, redact_text


def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATHS...", help="Cassettes, and folders of cassettes.")],
    max_age: Annotated[
        str | None, typer.Option(metavar="AGE", help="Report recordings older than this, such as 90d.")
    ] = None,
    unused: Annotated[
        Path | None,
        typer.Option(
            metavar="REPORT", help="The final response of /_tokentape/sessions/default/unplayed of `tokentape serve`."
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="A kind of problem to ignore, such as client_closed; repeatable."),
    ] = None,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    as_json: Json = False,
) -> int:
    """Print the problems of all cassettes; 1 if there are any that `allow` does not name. Raises `UsageError`."""
    rules = redaction_rules(redact_header, redact_path, redact_text)
    for kind in allow or ():
        if kind not in PROBLEM_KINDS:
            raise UsageError(f"--allow {kind!r} is not one of {', '.join(PROBLEM_KINDS)}")
    age = None if max_age is None else parse_age(max_age)
    never_requested = [] if unused is None else read_unused(_read(unused))
    found, files, interactions = list[Problem](), find_cassettes(paths), 0
    for path in files:
        cassette, problems = _checked(path, age, never_requested, rules)
        found += problems
        interactions += len(cassette)
    found = [problem for problem in found if problem.kind not in (allow or ())]
    if as_json:
        print(
            terminal_text.dump(
                {"files": len(files), "interactions": interactions, "problems": [_fields(p) for p in found]}
            )
        )
    else:
        for problem in found:
            print(terminal_text.printable(str(problem)))
        counts = Counter(problem.kind for problem in found)
        problems_found = ", ".join(f"{counts[kind]} {kind}" for kind in PROBLEM_KINDS if counts[kind])
        amount = f"{counted(len(files), 'file')}, {counted(interactions, 'interaction')}"
        print(f"{amount}: {problems_found or 'nothing wrong'}")
    return 1 if found else 0


def _fields(problem: Problem) -> dict[str, object]:
    return {name: getattr(problem, name) for name in problem.__struct_fields__}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such report: check the path") from error


def _checked(
    path: Path, age: timedelta | None, unused: Iterable[tuple[Path, int]], rules: RedactionRules
) -> tuple[Cassette, list[Problem]]:
    """The cassette, empty if it can't be read, and its problems."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CassetteWarning)
        try:
            cassette = read_cassette(path)
        except CassetteError as error:
            return Cassette(), [Problem("unreadable", str(path), error.interaction, redact_text(error.message))]
    found = [_edited(path, str(warning.message)) for warning in caught if issubclass(warning.category, CassetteWarning)]
    now, machine = datetime.now(UTC), this_machine()
    found += inspect_cassette(cassette, now=now, max_age=age, unused=unused, rules=rules, machine=machine)
    return cassette, found


def _edited(path: Path, message: str) -> Problem:
    """The problem that the reader's warning describes; it begins with the file and the interaction."""
    description = message.removeprefix(f"{path}: interaction ")
    number, _, rest = description.partition(": ")
    if number.isdigit():
        return Problem("edited", str(path), int(number), rest)
    return Problem("edited", str(path), None, description)
