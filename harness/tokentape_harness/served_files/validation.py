"""All problems of rules files and cassettes, and those between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tokentape_harness.cassettes.files import find_cassettes
from tokentape_harness.cassettes.reader import parse_cassette, read_file
from tokentape_harness.errors import CassetteError, FileProblem, RulesFileError
from tokentape_harness.served_files.rules_files import SUFFIXES, Kind, kind_of, not_served, parse_rules
from tokentape_harness.served_files.state import ServedFiles

_PLACE: Final = re.compile(r"(.*?)\(?line (\d+), column (\d+): (.*)", re.DOTALL)


class Validation(NamedTuple):
    """What each file is, and the problems of all."""

    kinds: dict[Path, Kind]
    problems: Sequence[FileProblem]


def validate_files(paths: Sequence[Path]) -> Validation:
    """Read the files of these paths. A file in a folder that is something other is left out.

    Raises `CassetteNotFoundError`, `UsageError`.
    """
    kinds: dict[Path, Kind] = {}
    problems = list[FileProblem]()
    for path in find_cassettes(paths, SUFFIXES):
        try:
            data = read_file(path)
            kind = kind_of(path, data)
            if kind == "other" and path not in paths:
                continue
            kinds[path] = kind
            match kind:
                case "rules":
                    parse_rules(path, data)
                case "cassette":
                    parse_cassette(data, path)
                case "other":
                    raise not_served(path, data)
        except (RulesFileError, CassetteError) as error:
            problems += _problems(path, error)
    if not problems and kinds:
        try:
            ServedFiles(paths, read=lambda _: []).load()
        except (RulesFileError, CassetteError) as error:
            problems += _problems(paths[0], error)
    return Validation(kinds, problems)


def _problems(path: Path, error: RulesFileError | CassetteError) -> Iterator[FileProblem]:
    if isinstance(error, RulesFileError):
        yield from error.problems
        return
    field = "" if error.interaction is None else f"interactions[{error.interaction}]"
    place = _PLACE.fullmatch(error.message)
    line, column = (int(place[2]), int(place[3])) if place else (None, None)
    what = f"{place[1]}({place[4]}" if place and place[1] else place[4] if place else error.message
    what, _, do = what.rpartition(": ")
    yield FileProblem(str(error.path or path), line, column, field, what or do, do if what else "")
