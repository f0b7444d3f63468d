"""JSON of rules files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from tokentape_fake_provider.sessions.rules_file.problem import Path
from tokentape_harness.served_files.rules_files.document import (
    DEEPEST,
    MOST,
    Document,
    Place,
    TextProblem,
    too_deep,
    too_many,
    twice,
)

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def parse_json(text: str) -> Document:
    """Parse JSON. Raises `TextProblem`."""
    if not text.strip():
        return Document(None, {})
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        do = "correct it; JSON has double quotes, no comments and no comma after the last item"
        raise TextProblem(f"not JSON: {error.msg}", do, Place(error.lineno, error.colno)) from None
    except ValueError as error:
        raise TextProblem(f"not JSON: {error}", "write a smaller number") from None
    return Document(value, _places(text))


def _places(text: str) -> dict[Path, tuple[Place, Place]]:
    """The places of the values in valid JSON."""
    places: dict[Path, tuple[Place, Place]] = {}
    place = _placing(text)
    open_: list[_Open] = []
    for token in _TOKEN.finditer(text):
        word, at = token[0], place(token.start())
        inside = open_[-1] if open_ else None
        if word in "}]":
            open_.pop()
        elif word == ",":
            assert inside is not None
            inside.next()
        elif word == ":":
            pass
        elif inside is not None and inside.wants_name:
            name = json.loads(word)
            path = (*inside.path, name)
            if path in places:
                raise twice(name, places[path][0], at)
            inside.named, inside.key, places[path] = name, at, (at, at)
        else:
            path = () if inside is None else (*inside.path, inside.name)
            places[path] = (at if inside is None or inside.key is None else inside.key, at)
            if len(path) > DEEPEST:
                raise too_deep(at)
            if len(places) > MOST:
                raise too_many(at)
            if word in "{[":
                open_.append(_Open(path, word == "{"))
    return places


class _Open:
    """An object or an array that is being read."""

    def __init__(self, path: Path, is_object: bool) -> None:
        self.path = path
        self._is_object = is_object
        self._number = 0
        self.named: str | None = None
        self.key: Place | None = None

    @property
    def wants_name(self) -> bool:
        return self._is_object and self.named is None

    @property
    def name(self) -> str | int:
        return self._number if self.named is None else self.named

    def next(self) -> None:
        self._number += 1
        self.named = self.key = None


def _placing(text: str) -> Callable[[int], Place]:
    """The place of an offset; offsets are requested in ascending order."""
    line, start = 1, 0

    def place(offset: int) -> Place:
        nonlocal line, start
        if (more := text.count("\n", start, offset)) > 0:
            line, start = line + more, text.rfind("\n", start, offset) + 1
        return Place(line, offset - start + 1)

    return place
