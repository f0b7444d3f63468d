"""Body matcher: which recorded request to an LLM asks for the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tokentape_fake_provider.sessions.request_matching import PREFERRED, differences, key_of

NAME = "llm_body"


class Level(IntEnum):
    """How close two bodies must be: the same in all that counts, but for tracing options, or any two."""

    EXACT = 0
    SAME = 1
    ANY = 2


class BodyMatcher:
    """A matcher for vcrpy: two JSON bodies that are POSTed must ask for the same.

    What counts is told in `tokentape_fake_provider.sessions.request_matching`. Bodies that are not JSON are not
    compared. With
    `Level.ANY` as the weakest level a body is preferred that is the same, and another is still found.
    """

    def __init__(self, weakest: Level = Level.SAME) -> None:
        self.__name__ = NAME
        self.weakest = weakest
        self._level = weakest
        self._searching = False
        # A long cassette is searched for every request: each recorded body is read once.
        self._keys: WeakKeyDictionary[Any, dict[Level, bytes]] = WeakKeyDictionary()

    @property
    def levels(self) -> list[Level]:
        """The levels to try, the strictest first."""
        return [level for level in Level if level <= self.weakest]

    @contextmanager
    def searching(self, level: Level) -> Iterator[None]:
        """Match at this level and say no reasons, for a caller that lets nobody else match meanwhile."""
        before, self._level, self._searching = self._level, level, True
        try:
            yield
        finally:
            self._level, self._searching = before, False

    def __call__(self, asked: Any, recorded: Any) -> None:
        """Raise `AssertionError` that names the fields in which two requests differ."""
        if self._level is Level.ANY or asked.method != "POST":
            return
        if self._key(asked) == self._key(recorded):
            return
        if self._searching:
            raise AssertionError
        found = differences(json_body(recorded), json_body(asked))
        told = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
        raise AssertionError(told or "the bodies differ")

    def _key(self, request: Any) -> bytes:
        """What is equal for bodies that ask for the same; one value for all that are not JSON."""
        keys = self._keys.setdefault(request, {})
        if self._level not in keys:
            body = json_body(request)
            without = frozenset[str]() if self._level is Level.EXACT else PREFERRED
            keys[self._level] = key_of(body, without=without) if isinstance(body, dict | list) else b""
        return keys[self._level]


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
