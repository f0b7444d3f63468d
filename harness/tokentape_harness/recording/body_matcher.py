"""Body matcher: which recorded request to an LLM is the same as a new one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

import msgspec
from vcr import matchers

from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.request_comparison import PREFERRED, Difference, differences, key_of
from tokentape_fake_provider.sessions.matching.shape import Shape, shape_of
from tokentape_harness.recording.redactor import plain_request
from tokentape_harness.redaction.redact import plain_body
from tokentape_harness.redaction.rules import PLACEHOLDER

NAME = "llm_body"
_PLACEHOLDER = PLACEHOLDER.encode()
_ANY_TEXT = rb'(?:[^"\\]|\\.)+?'
"""A part of a string in JSON."""


class Level(IntEnum):
    """How close two bodies must be: equal in every field that counts, in all but the tracing options, in all but what
    is volatile, too, or in all but what was redacted from the recording."""

    EXACT = 0
    SAME = 1
    NORMAL = 2
    REDACTED = 3


class BodyMatcher:
    """A matcher for vcrpy: the JSON bodies of two POST requests must be the same.

    `tokentape_fake_provider.sessions.matching` decides which fields count (`request_comparison`), and what is volatile
    in them (`normaliser`). Bodies that are not JSON are not compared.
    """

    def __init__(self, normaliser: Normaliser) -> None:
        self.__name__ = NAME
        self.normaliser = normaliser
        self._level = Level.SAME
        self._searching = False
        # A long cassette is searched for every request: each recorded body is read once.
        self._shapes: WeakKeyDictionary[Any, Shape] = WeakKeyDictionary()
        self._keys: WeakKeyDictionary[Any, dict[Level, bytes]] = WeakKeyDictionary()

    @contextmanager
    def searching(self, level: Level) -> Iterator[None]:
        """Match at this level and give no reasons; the caller lets no other thread match meanwhile."""
        before, self._level, self._searching = self._level, level, True
        try:
            yield
        finally:
            self._level, self._searching = before, False

    def __call__(self, request: Any, recorded: Any) -> None:
        """Raise `AssertionError` that names the fields in which two requests differ."""
        if request.method != "POST":
            return
        if self._level is Level.REDACTED:
            if not self._is_redacted_form(recorded, request):
                raise AssertionError
            return
        if self._level is Level.NORMAL and self._shape(request) != self._shape(recorded):
            raise AssertionError
        if self._key(request) == self._key(recorded) or _is_form_of(request, recorded):
            return
        if self._searching:
            raise AssertionError
        found = self._differences(request, recorded)
        message = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
        raise AssertionError(message or "the bodies differ")

    def key(self, request: Any) -> bytes | None:
        """What the requests that match this one have, too; `None` where more than bodies in JSON may match."""
        return None if request.method != "POST" or _is_form(request) else self._key(request)

    def _key(self, request: Any) -> bytes:
        """A key that is equal for bodies that match; one key for all bodies that are not JSON."""
        keys = self._keys.setdefault(request, {})
        if self._level not in keys:
            body = json_body(request)
            if self._level is Level.NORMAL:
                body = self.normaliser.normal(body)
            without = frozenset[str]() if self._level is Level.EXACT else PREFERRED
            key = key_of(body, without=without) if isinstance(body, dict | list) else b""
            # A prompt that programs write is long, and has one key for each level.
            keys[self._level] = hashlib.sha256(key).digest() if key else b""
        return keys[self._level]

    def _is_redacted_form(self, recorded: Any, request: Any) -> bool:
        """Whether the requests are equal where the recorded one was not redacted.

        A credential is removed from every request of a cassette, also from those before the one that was sent with it:
        there a replay does not know yet what it is.
        """
        data = recorded.body_bytes
        if isinstance(data, bytes) and _PLACEHOLDER not in data and "content-encoding" not in recorded.headers:
            return False  # as in nearly every recording
        bodies = [json_body(one) for one in (recorded, request)]
        if not all(isinstance(body, dict | list) for body in bodies):
            return False
        before, now = (key_of(self.normaliser.normal(body), without=PREFERRED) for body in bodies)
        parts = before.split(_PLACEHOLDER)
        return len(parts) > 1 and re.fullmatch(_ANY_TEXT.join(map(re.escape, parts)), now) is not None

    def _shape(self, request: Any) -> Shape:
        """What decides whether two bodies need to be normalised."""
        if request not in self._shapes:
            self._shapes[request] = shape_of(json_body(request)) if self.normaliser.keeps_shape else ()
        return self._shapes[request]

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels at which to search, the strictest first."""
        return tuple(level for level in Level if level is not Level.NORMAL or self.normaliser.active)

    def distance(self, request: Any, recorded: Any) -> int:
        """The number of fields in which two requests' bodies differ."""
        return len(self._differences(request, recorded))

    def _differences(self, request: Any, recorded: Any) -> list[Difference]:
        normal = self.normaliser.normal
        return differences(normal(json_body(recorded)), normal(json_body(request)))


def body(request: Any, recorded: Any) -> None:
    """vcrpy's matcher `body`, also for the value that vcrpy records of aiohttp before it is encoded."""
    try:
        matchers.body(request, recorded)
    except AssertionError:
        value = json_body(recorded)
        is_value = isinstance(value, dict | list) and "content-type" not in recorded.headers
        if not is_value or not (json_body(request) == value or _is_form_of(request, recorded)):
            raise


def _is_form(request: Any) -> bool:
    return "x-www-form-urlencoded" in str(request.headers.get("content-type", ""))


def _is_form_of(request: Any, recorded: Any) -> bool:
    """Whether a form has the fields of a recorded value, as vcrpy keeps aiohttp's `data=`."""
    if not _is_form(request):
        return False
    value, form = json_body(recorded), json_body(request)
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(form, bytes) or not isinstance(pairs, list):
        return False
    fields = [list(pair) for pair in parse_qsl(form.decode("latin-1"), keep_blank_values=True)]
    return sorted(fields) == sorted([str(part) for part in pair] for pair in pairs if isinstance(pair, list | tuple))


def json_body(request: Any) -> Any:
    """The body of vcrpy's request as a JSON value, or its bytes where it is not JSON; without its content coding."""
    if request.body_bytes is None:
        return b""
    data, _ = plain_body(plain_request(request))
    try:
        coding = json.detect_encoding(data)
        return msgspec.json.decode(data if coding == "utf-8" else data.decode(coding))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data
