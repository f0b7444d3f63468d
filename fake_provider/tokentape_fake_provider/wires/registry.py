"""Registry: objects by the name of their wire format: those that are built in, and those of other packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

T = TypeVar("T")


@cache
def entry_points_of(group: str) -> Mapping[str, EntryPoint]:
    """The entry points of a group by name."""
    return {entry.name: entry for entry in entry_points(group=group)}


class Registry(Mapping[str, T]):
    """A mapping from wire format to object, the built-in ones first.

    Entry points are looked for only when a name is not built in, or for a list. `attribute` is the one of an object
    that has its name. Raises `error` that names an entry point which is not of this `kind`, or no subclass of it
    where they are `classes`.
    """

    def __init__(
        self,
        built_in: Mapping[str, T],
        group: str,
        kind: type[Any],
        error: type[Exception],
        *,
        attribute: str = "wire",
        classes: bool = False,
    ) -> None:
        self._built_in, self._group, self._kind = built_in, group, kind
        self._error, self._attribute, self._classes = error, attribute, classes

    def __getitem__(self, wire: str) -> T:
        if wire in self._built_in:
            return self._built_in[wire]
        return self._load(entry_points_of(self._group)[wire])

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from (name for name in entry_points_of(self._group) if name not in self._built_in)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _load(self, entry: EntryPoint) -> T:
        where = f"the entry point {entry.name} = {entry.value} of the group {self._group}"
        try:
            found: T = entry.load()
        except (ImportError, AttributeError) as error:
            raise self._error(
                f"{where} can't be loaded: {error}. Fix or remove the package that installs it"
            ) from error
        if isinstance(found, type) is not self._classes or not (
            issubclass(found, self._kind) if isinstance(found, type) else isinstance(found, self._kind)
        ):
            what = "a subclass of" if self._classes else "an object of the kind"
            raise self._error(f"{where} is not {what} {self._kind.__name__}")
        if getattr(found, self._attribute) != entry.name:
            raise self._error(f"{where} has the name {getattr(found, self._attribute)!r}: both must be the same")
        return found
