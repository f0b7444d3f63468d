"""Body matcher: which recorded request to an LLM asks for the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import msgspec

from tokentape_fake_provider.matching import PREFERRED, differences, key_of

NAME = "llm_body"


class Level(IntEnum):
    """How close two bodies must be: the same in all that counts, but for tracing options, or any two."""

    EXACT = 0
    SAME = 1
    ANY = 2


class BodyMatcher:
    """A matcher for vcrpy: two JSON bodies that are POSTed must ask for the same.

    What counts is told in `tokentape_fake_provider.matching`. Bodies that are not JSON are not compared. With
    `Level.ANY` as the weakest level a body is preferred that is the same, and another is still found.
    """

    def __init__(self, weakest: Level = Level.SAME) -> None:
        self.__name__ = NAME
        self.weakest = weakest
        self._level = weakest

    @property
    def levels(self) -> list[Level]:
        """The levels to try, the strictest first."""
        return [level for level in Level if level <= self.weakest]

    @contextmanager
    def at(self, level: Level) -> Iterator[None]:
        """Match at this level, for a caller that lets nobody else match meanwhile."""
        before, self._level = self._level, level
        try:
            yield
        finally:
            self._level = before

    def __call__(self, asked: Any, recorded: Any) -> None:
        """Raise `AssertionError` that names the fields in which two requests differ."""
        if self._level is Level.ANY or asked.method != "POST":
            return
        bodies = json_body(recorded), json_body(asked)
        if not any(isinstance(body, dict | list) for body in bodies):
            return
        without = frozenset[str]() if self._level is Level.EXACT else PREFERRED
        if key_of(bodies[0], without=without) != key_of(bodies[1], without=without):
            found = differences(*bodies)
            told = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
            raise AssertionError(told or "the bodies differ")


def json_body(request: Any) -> Any:
    """The body of vcrpy's request as a JSON value, or its bytes where it is not JSON."""
    body = request.body_bytes
    if body is None:
        return b""
    data = bytes(body) if isinstance(body, bytes | bytearray) else str(body).encode()
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data


def distance(asked: Any, recorded: Any) -> int:
    """In how many fields two requests' bodies differ."""
    return len(differences(json_body(recorded), json_body(asked)))
