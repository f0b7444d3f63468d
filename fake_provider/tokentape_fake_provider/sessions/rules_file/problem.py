"""A problem of a rules file: where it is, what is wrong, and what to do."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


class Problem(NamedTuple):
    """What is wrong at a place in a document, and the remedy. With `key` the name of the field is wrong."""

    path: Path
    what: str
    do: str = ""
    key: bool = False

    @property
    def field(self) -> str:
        """The place as `rules[0].scripts[1]`."""
        return show_path(self.path)


def show_path(path: Path) -> str:
    """A path as `rules[0].scripts[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
