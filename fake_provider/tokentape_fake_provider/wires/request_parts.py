"""Parts of a request that every wire format reads alike: names in a path, texts in content, types of JSON values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+\*?)\}", pattern)
    return re.compile("".join(_segments(part) if i % 2 else re.escape(part) for i, part in enumerate(parts)))


def _segments(name: str) -> str:
    return f"(?P<{name[:-1]}>.+)" if name.endswith("*") else f"(?P<{name}>[^/]+)"


def match_path(patterns: Sequence[str], path: str) -> dict[str, str] | None:
    """The named segments of a path that matches one of the patterns, else `None`; `{name*}` is several segments.

    Names that begin with `_` are left out: they are no part of the request.
    """
    for pattern in patterns:
        if match := _compiled(pattern).fullmatch(path):
            return {name: value for name, value in match.groupdict().items() if name[0] != "_"}
    return None


def texts_in(content: Any) -> Iterator[str]:
    """All text in a message's content: a string, or parts with `text`, or nested `content` (tool results)."""
    # A stack instead of recursion: a request may be nested as deeply as its sender likes.
    waiting = [content]
    while waiting:
        match waiting.pop():
            case str(text):
                yield text
            case Mapping() as part:
                waiting += (part.get("thinking"), part.get("content"), part.get("text"))
            case list() | tuple() as parts:
                waiting += reversed(parts)
            case _:
                pass


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
