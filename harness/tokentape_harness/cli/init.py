"""init: a rules file and two cassettes to begin with."""

from __future__ import annotations

import json
import shlex
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from tokentape_fake_provider.sessions.rules_file import rules_schema
from tokentape_harness.errors import UsageError

_SCHEMA = ".rules.schema.json"


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to write; it is created if needed.")] = Path(
        "tokentape"
    ),
) -> None:
    """Write the starter, without replacing any file, and print the next two commands. Raises `UsageError`."""
    starter = files("tokentape_harness.served_files") / "starter"
    contents = {name: file.read_text() for name, file in _below(starter)}
    contents[_SCHEMA] = json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"
    for name, text in contents.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            if not path.is_file():
                raise UsageError(f"{folder}: is not a folder: name another one") from None
            print(f"kept   {path}")
        else:
            print(f"wrote  {path}")
    print()
    print(f"tokentape serve {shlex.quote(str(folder))}")
    print('tokentape chat "hello" --base-url http://127.0.0.1:8089/v1')


def _below(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    """All files below a folder, with their paths from it."""
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _below(entry, f"{name}/")
        elif not entry.name.startswith("__"):
            found.append((name, entry))
    return found
