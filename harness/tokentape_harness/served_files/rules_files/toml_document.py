"""TOML of rules files. The standard library parses it without places, so those of tables and keys are searched."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from tokentape_fake_provider.sessions.rules_file.problem import Path
from tokentape_harness.served_files.rules_files.document import (
    DEEPEST,
    MOST,
    Document,
    Place,
    TextProblem,
    too_deep,
    too_many,
)

_WHERE: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_NAME: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAMES: Final = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_TABLE: Final = re.compile(rf"\s*(\[\[?)\s*({_NAMES})\s*\]\]?")
# `tomllib` takes minutes for a key of 100,000 names.
_DEEP_KEY: Final = re.compile(rf"(?:^|[{{,\[])[ \t]*(?:{_NAME}[ \t]*\.[ \t]*){{{DEEPEST}}}", re.MULTILINE)
_KEY: Final = re.compile(rf"(\s*)({_NAMES})\s*=\s*")


def parse_toml(text: str) -> Document:
    """Parse TOML; a date is text. Raises `TextProblem`."""
    if (deep := _DEEP_KEY.search(text)) is not None:
        line = text.count("\n", 0, deep.start()) + 1
        raise too_deep(Place(line, deep.start() - text.rfind("\n", 0, deep.start())))
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _WHERE.search(str(error))
        end = Place(text.count("\n") + 1, 1)
        place = Place(int(found[1]), int(found[2])) if found is not None and found[1] else end
        raise TextProblem(f"not TOML: {_WHERE.sub('', str(error))}", "correct it", place) from None
    return Document(_with_text_dates(value, 0, count()), _places(text))


def _with_text_dates(value: Any, depth: int, counted: Iterator[int]) -> Any:
    if depth > DEEPEST:
        raise too_deep()
    if next(counted) > MOST:
        raise too_many()
    match value:
        case dict():
            return {name: _with_text_dates(member, depth + 1, counted) for name, member in value.items()}
        case list():
            return [_with_text_dates(member, depth + 1, counted) for member in value]
        case dt.date() | dt.time():
            return value.isoformat()
    return value


def _places(text: str) -> dict[Path, tuple[Place, Place]]:
    """The places of tables, and of keys at the beginning of a line."""
    places: dict[Path, tuple[Place, Place]] = {(): (Place(1, 1), Place(1, 1))}
    counts: dict[Path, int] = {}
    table: Path = ()
    quotes = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not quotes:
            if (header := _TABLE.match(line)) is not None:
                table = ()
                *outer, last = _split(header[2])
                for name in outer:
                    table = _latest((*table, name), counts)
                table = (*table, last)
                place = Place(number, header.start(2) + 1)
                if header[1] == "[[":
                    places.setdefault(table, (place, place))
                    counts[table] = counts.get(table, -1) + 1
                    table = _latest(table, counts)
                places[table] = place, place
            elif (key := _KEY.match(line)) is not None:
                path = table
                for name in _split(key[2]):
                    path = (*path, name)
                    places.setdefault(path, (Place(number, key.start(2) + 1), Place(number, key.end() + 1)))
        for mark in re.findall(r'"""|\'\'\'', line):
            quotes = mark if not quotes else "" if mark == quotes else quotes
    return places


def _latest(path: Path, counts: dict[Path, int]) -> Path:
    """The last table of an array of tables; any other path as it is."""
    return (*path, counts[path]) if path in counts else path


def _split(names: str) -> list[str]:
    return [name.strip("\"'") for name in re.findall(_NAME, names)]
