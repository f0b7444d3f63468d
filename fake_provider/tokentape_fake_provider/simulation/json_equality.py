"""When two JSON values are equal: 1 and 1.0 are, 1 and true are not."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal."""
    return frozen(left) == frozen(right)


def frozen(value: Any) -> Hashable:
    """A hashable value that is equal for equal JSON values only."""
    match value:
        case bool():
            return ("boolean", value)
        case Mapping():
            return frozenset((name, frozen(member)) for name, member in value.items())
        case list() | tuple():
            return tuple(frozen(member) for member in value)
        case _:
            hashable: Hashable = value
            return hashable
