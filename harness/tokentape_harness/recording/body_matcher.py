"""Body matcher: which recorded request to an LLM asks for the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

import msgspec
from vcr import matchers

from tokentape_fake_provider.sessions.request_matching import PREFERRED, differences, key_of

NAME = "llm_body"


class Level(IntEnum):
    """How close two bodies must be: the same in all that counts, or but for tracing options."""

    EXACT = 0
    SAME = 1


class BodyMatcher:
    """A matcher for vcrpy: two JSON bodies that are POSTed must ask for the same.

    What counts is told in `tokentape_fake_provider.sessions.request_matching`. Bodies that are not JSON are not
    compared.
    """

    def __init__(self) -> None:
        self.__name__ = NAME
        self._level = Level.SAME
        self._searching = False
        # A long cassette is searched for every request: each recorded body is read once.
        self._keys: WeakKeyDictionary[Any, dict[Level, bytes]] = WeakKeyDictionary()

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
        if asked.method != "POST":
            return
        if self._key(asked) == self._key(recorded) or _is_form_of(asked, recorded):
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


def body(asked: Any, recorded: Any) -> None:
    """vcrpy's matcher `body`, also for what vcrpy recorded of aiohttp: a value that was not yet made bytes."""
    try:
        matchers.body(asked, recorded)
    except AssertionError:
        value = json_body(recorded)
        given = isinstance(value, dict | list) and "content-type" not in recorded.headers
        if not given or not (json_body(asked) == value or _is_form_of(asked, recorded)):
            raise


def _is_form_of(asked: Any, recorded: Any) -> bool:
    """Whether a form has the fields of a recorded value, as vcrpy keeps aiohttp's `data=`."""
    if "x-www-form-urlencoded" not in str(asked.headers.get("content-type", "")):
        return False
    value, form = json_body(recorded), json_body(asked)
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(form, bytes) or not isinstance(pairs, list):
        return False
    fields = [list(pair) for pair in parse_qsl(form.decode("latin-1"), keep_blank_values=True)]
    return sorted(fields) == sorted([str(part) for part in pair] for pair in pairs if isinstance(pair, list | tuple))


def json_body(request: Any) -> Any:
    """The body of vcrpy's request as a JSON value, or its bytes where it is not JSON."""
    body = request.body_bytes
    if body is None:
        return b""
    data = bytes(body) if isinstance(body, bytes | bytearray) else str(body).encode()
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data


def distance(asked: Any, recorded: Any) -> int:
    """In how many fields two requests' bodies differ."""
    return len(differences(json_body(recorded), json_body(asked)))
