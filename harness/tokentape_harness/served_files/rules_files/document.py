"""A document with the place of each value, and what may be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from tokentape_fake_provider.sessions.rules_file.problem import Path

DEEPEST = 100
MOST = 100_000
"""No file for people nests values deeper, or has more of them."""


class Place(NamedTuple):
    """A place in a text, from 1."""

    line: int
    column: int


Places: TypeAlias = Mapping[Path, tuple[Place, Place]]
"""Where the name of a field (or an item of a list) begins, and where its value does."""


class Document(NamedTuple):
    """A value as JSON has it, and where its parts are."""

    value: Any
    places: Places

    def place(self, path: Path, *, key: bool = False) -> Place | None:
        """The place of a value, or of the name of its field; of what holds it if it is not known."""
        for length in range(len(path), -1, -1):
            if (found := self.places.get(path[:length])) is not None:
                return found[0] if key or length < len(path) else found[1]
        return None


class TextProblem(Exception):  # noqa: N818 - a finding
    """A text that is not in its format, or has what no such file has; the place, if it is known."""

    def __init__(self, what: str, do: str, place: Place | None = None) -> None:
        super().__init__(what)
        self.what, self.do, self.place = what, do, place


def too_deep(place: Place | None = None) -> TextProblem:
    return TextProblem(f"values are nested more than {DEEPEST} deep", "nest them less", place)


def too_many(place: Place | None = None) -> TextProblem:
    return TextProblem(f"there are more than {MOST:,} values", "remove aliases, or split the file", place)


def twice(name: str, first: Place, place: Place) -> TextProblem:
    return TextProblem(
        f"`{name[:80]}` is there twice, first in line {first.line}", "keep one of them, or join them", place
    )
