"""Parts of a request that every wire format reads alike: names in a path, texts in content, types of JSON values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

# Paths that begin so are unmistakable, also below the prefix of a gateway.
_BELOW_A_PREFIX = re.compile(r"/(v\d|api/|openai/|model/)")
# It ends in no version: `/v1/v1/messages` is a mistake in a base URL.
_PREFIX = r"(?:/[^/]+)*/(?!v\d)[^/]+"

_TEXT_FIELDS = ("thinking", "content", "text")


@cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """The patterns, then those that may be below a prefix, the longest first, then those that begin with any name."""
    below = sorted(filter(_BELOW_A_PREFIX.match, patterns), key=lambda pattern: -pattern.count("/"))
    any_base = [pattern for pattern in patterns if pattern.startswith("{")]
    expressions = [
        *(_expression(pattern) for pattern in patterns if pattern not in any_base),
        *(f"{_PREFIX}{_expression(pattern)}" for pattern in below),
        *map(_expression, any_base),
    ]
    return tuple(map(re.compile, expressions))


def _expression(pattern: str) -> str:
    parts = re.split(r"\{(\w+\*?)\}", pattern)
    return "".join(_segments(part) if i % 2 else re.escape(part) for i, part in enumerate(parts))


def _segments(name: str) -> str:
    return f"(?P<{name[:-1]}>.+)" if name.endswith("*") else f"(?P<{name}>[^/]+)"


def match_path(patterns: Sequence[str], path: str) -> dict[str, str] | None:
    """The named segments of a path that matches one of the patterns, else `None`; `{name*}` is several segments.

    A path may be below the prefix of a gateway: `/gateway/v1/messages` is `/v1/messages`. Names that begin with `_` are
    left out: they are not part of the request.
    """
    for expression in _compiled(tuple(patterns)):
        if match := expression.fullmatch(path):
            return {name: value for name, value in match.groupdict().items() if name[0] != "_"}
    return None


def texts_in(content: Any) -> list[str]:
    """All text in a message's content: a string, or parts with `text`, or nested `content` (tool results)."""
    # A stack instead of recursion: a request may be nested as deeply as its sender likes.
    found: list[str] = []
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, (list, tuple)):
            waiting += reversed(part)
        elif isinstance(part, (dict, Mapping)):
            for name in _TEXT_FIELDS:
                if (inner := part.get(name)) is not None:
                    waiting.append(inner)
    return found


def json_type(value: Any) -> str:
    """A JSON value's type as error messages name it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case _:
            return "an array"
