"""All kinds of faults by name, including those of other packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Final

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.faults.fault import FAULTS, CustomFault, Fault, fault_name

ENTRY_POINTS: Final = "tokentape.faults"
"""The group of entry points whose objects are subclasses of `CustomFault`, each under the name of its fault."""


@cache
def fault_kinds() -> Mapping[str, type[Fault]]:
    """Return every kind of fault by name. Raises `FaultError`, which names an entry point that is not a fault."""
    kinds = dict(FAULTS)
    for entry in entry_points(group=ENTRY_POINTS):
        where = f"the fault {entry.name!r} of the entry point {entry.value}"
        try:
            kind = entry.load()
        except (ImportError, AttributeError) as error:
            raise FaultError(f"{where} can't be loaded: {error}. Fix or remove the package that installs it") from error
        if not (isinstance(kind, type) and issubclass(kind, CustomFault)):
            raise FaultError(f"{where} is not a subclass of CustomFault: make it one")
        if fault_name(kind) != entry.name:
            raise FaultError(f"{where} has the class {kind.__name__}: its name must be {fault_name(kind)}")
        if entry.name in kinds:
            raise FaultError(f"{where} has a name that is taken: rename it")
        kinds[entry.name] = kind
    return MappingProxyType(kinds)


def fault_kind(name: str) -> type[Fault]:
    """Return the kind of fault with this name. Raises `FaultError`, which suggests the nearest name or lists all."""
    kind = FAULTS.get(name) or fault_kinds().get(name)
    if kind is None:
        raise FaultError(f"no fault {name!r}{nearest(name, fault_kinds())}")
    return kind


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest known name, or all of them."""
    known = list(known)
    near = get_close_matches(name, known, 1, 0.5)
    return f": did you mean {near[0]}?" if near else f": the known ones are {', '.join(known)}"
