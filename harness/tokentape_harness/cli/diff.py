"""diff: the changes in the structure of the events between two cassettes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokentape_harness import terminal_text
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cli.options import Json
from tokentape_harness.lint import SchemaChange, compare


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A cassette.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="A later recording of the same requests.")],
    as_json: Json = False,
) -> int:
    """Print the differences; 1 if there are any. Raises `CassetteError`."""
    changes = compare(read_cassette(a), read_cassette(b))
    if as_json:
        print(
            terminal_text.dump({"changes": [{name: getattr(c, name) for name in c.__struct_fields__} for c in changes]})
        )
        return 1 if changes else 0
    place = None
    for change in changes:
        if (change.a, change.b) != place:
            place = (change.a, change.b)
            print(_heading(change))
        print(f"  {change.kind}: {terminal_text.printable(change.what)}")
    if not changes:
        print("the same shape")
    return 1 if changes else 0


def _heading(change: SchemaChange) -> str:
    if change.a is None or change.b is None:
        return f"interaction {change.b} of the second" if change.a is None else f"interaction {change.a} of the first"
    return f"interaction {change.a}" if change.a == change.b else f"interactions {change.a} and {change.b}"
