"""JSON paths: a small part of JSONPath, such as `$.a.b`, `a[*].c` and `..d`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

Key: TypeAlias = str | int
Path: TypeAlias = tuple[Key, ...]

_PATH: Final = re.compile(r"\$?(?:(?:^|\.|\.\.)[^.\[\]]+|\[(?:\*|\d+)\])+")
_STEP: Final = re.compile(r"(\.\.)?\.?([^.\[\]$]+)|\[(\*|\d+)\]")


def is_json_path(pattern: str) -> bool:
    """Whether `matches` can read this path."""
    return _PATH.fullmatch(pattern) is not None


def matches(path: Path, pattern: str) -> bool:
    """Whether a value is at a path such as `$.a.b`, `a[*].c` or `..d`, or below it."""
    return _fits(path, _steps(pattern))


def without(value: Any, patterns: Sequence[str], path: Path = ()) -> Any:
    """A JSON value without what is at one of these paths."""
    if not patterns:
        return value
    if isinstance(value, dict):
        inner = {key: (item, (*path, key)) for key, item in value.items()}
        return {key: without(item, patterns, at) for key, (item, at) in inner.items() if not _hit(at, patterns)}
    if isinstance(value, list):
        items = [(item, (*path, number)) for number, item in enumerate(value)]
        return [without(item, patterns, at) for item, at in items if not _hit(at, patterns)]
    return value


def _hit(path: Path, patterns: Sequence[str]) -> bool:
    return any(matches(path, pattern) for pattern in patterns)


@lru_cache(maxsize=256)
def _steps(pattern: str) -> tuple[tuple[bool, str], ...]:
    """Each step of a path: whether it may be at any depth, and its name, number or `*`."""
    return tuple((bool(deep), name or number) for deep, name, number in _STEP.findall(pattern))


def _fits(path: Path, steps: tuple[tuple[bool, str], ...]) -> bool:
    if not steps:
        return True
    (deep, name), rest = steps[0], steps[1:]
    for at, key in enumerate(path):
        if (name == "*" or str(key) == name) and _fits(path[at + 1 :], rest):
            return True
        if not deep:
            return False
    return False
