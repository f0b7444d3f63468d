"""Reads fields of JSON of any form: a value of another type than expected reads as if it were missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec

NOTHING: Final[Mapping[str, Any]] = {}
OBJECT: Final = (dict, Mapping)
"""The types of an object, in the order in which it is faster to know."""
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")


def first(holder: Any, *names: str) -> Any:
    """The first of these fields that is not null; `None` if all are, or if `holder` is not an object."""
    if holder is None or not isinstance(holder, OBJECT):
        return None
    for name in names:
        if (value := holder.get(name)) is not None:
            return value
    return None


def either(holder: Any, name: str) -> Any:
    """A field by its camelCase name, as JSON has it, or by its snake_case name, as protocol buffers have it."""
    return first(holder, name, snake_case(name))


@cache
def snake_case(name: str) -> str:
    """A camelCase name as protocol buffers have it."""
    return _CAPITAL.sub(r"_\1", name).lower()


def as_object(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if value is not None and isinstance(value, OBJECT) else NOTHING


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; a lone object counts as a list of one."""
    if value is None:
        return []
    values = value if isinstance(value, list | tuple) else [value]
    return [item for item in values if isinstance(item, OBJECT)]


def strings(value: Any) -> tuple[str, ...]:
    """The strings in a list; a lone string counts as a list of one."""
    if value is None:
        return ()
    values: Sequence[Any] = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return tuple(item for item in values if isinstance(item, str))


def text_of(value: Any) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def whole(value: Any) -> int | None:
    """The value if it is a whole number; also one that is written as a decimal, or as a string (protocol buffers)."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return value if isinstance(value, int) else None


def texts(value: Any) -> Iterator[str]:
    """All text in a system prompt or a result: a string, or blocks with `text`, `content` or `parts`."""
    waiting = [value]  # instead of recursion: a request may be nested deeply
    while waiting:
        match waiting.pop():
            case str(text):
                yield text
            case Mapping() as block:
                waiting += [block[key] for key in ("parts", "content", "text") if key in block]
            case list() | tuple() as blocks:
                waiting += reversed(blocks)
            case _:
                pass


def json_text(value: Any) -> str:
    """The value as compact JSON; empty for one that JSON can't have."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, OverflowError):
        return ""
