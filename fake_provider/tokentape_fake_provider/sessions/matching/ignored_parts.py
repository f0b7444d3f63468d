"""Ignored parts: which volatile parts of a request are compared as equal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.http.bounded_pattern import bounded_pattern
from tokentape_fake_provider.sessions.matching.json_path import is_json_path

VolatileClass: TypeAlias = Literal[
    "dates", "cwd", "home", "tmp", "pids", "ids", "durations", "memory", "names", "versions", "ports", "git"
]
CLASSES: Final[tuple[VolatileClass, ...]] = get_args(VolatileClass)


class IgnoredParts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is ignored where no recording is exactly the same.

    `classes` are the volatile classes that are compared as equal, `ignore_path` JSON paths of a request's body such as
    `$.metadata`, `input[*].id` or `..trace`, `ignore_text` regular expressions of text in it. Raises `SettingError`.
    """

    classes: tuple[VolatileClass, ...] = CLASSES
    ignore_path: tuple[str, ...] = ()
    ignore_text: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in self.ignore_path:
            if not is_json_path(path):
                raise SettingError(f"ignore_path {path!r} can't be read: write it as $.a.b, a[*].b or ..b")
        for pattern in self.ignore_text:
            try:
                bounded_pattern(pattern)
            except (re.error, OverflowError, RecursionError, ValueError) as error:
                raise SettingError(f"ignore_text {pattern!r} is not a regular expression ({error})") from None


def as_ignored_parts(
    normalise: IgnoredParts | bool | str | Sequence[str] | Mapping[str, bool] = True,
    ignore_path: str | Sequence[str] = (),
    ignore_text: str | Sequence[str] = (),
) -> IgnoredParts:
    """The settings from what a user writes.

    `normalise` is true for all classes, false for none, a list of those that are on, or a mapping such as
    `{"dates": False}` that switches some off. Raises `SettingError`.
    """
    paths, texts = _listed("ignore_path", ignore_path), _listed("ignore_text", ignore_text)
    if isinstance(normalise, IgnoredParts):
        return msgspec.structs.replace(
            normalise, ignore_path=normalise.ignore_path + paths, ignore_text=normalise.ignore_text + texts
        )
    return IgnoredParts(_classes(normalise), paths, texts)


def _classes(normalise: Any) -> tuple[VolatileClass, ...]:
    if isinstance(normalise, bool):
        return CLASSES if normalise else ()
    names = [normalise] if isinstance(normalise, str) else normalise
    if not isinstance(names, Mapping | list | tuple | set | frozenset):
        raise SettingError(f"normalise: {normalise!r} is not true, false, a list of classes or a mapping of them")
    for name in names:
        if name not in CLASSES:
            raise SettingError(f"normalise: no class {name!r}; the classes are {', '.join(CLASSES)}")
    if not isinstance(names, Mapping):
        return tuple(name for name in CLASSES if name in names)
    for name, value in names.items():
        if not isinstance(value, bool):
            raise SettingError(f"normalise: {name} is {value!r}, not true or false")
    return tuple(name for name in CLASSES if names.get(name, True))


def _listed(name: str, value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(item, str) for item in values):
        raise SettingError(f"{name}: {value!r} is not a list of texts")
    return tuple(values)
