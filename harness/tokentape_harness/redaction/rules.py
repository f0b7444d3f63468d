"""Redaction rules: what is a secret by its name or its form, and known secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from tokentape_fake_provider.errors import PatternTimeoutError
from tokentape_fake_provider.http.bounded_pattern import BoundedPattern, bounded_pattern, pattern_budget
from tokentape_fake_provider.playback.secret_names import (
    holds_headers,
    is_secret_member,
    is_secret_name,
    is_secret_parameter,
    may_be_secret_member,
)
from tokentape_fake_provider.sessions.matching.json_path import Path, is_json_path, matches
from tokentape_harness.errors import UsageError
from tokentape_harness.redaction.text_rules import TEXT_RULES, TextRule

PLACEHOLDER = "REDACTED"
_OWN = "own rule"
_MATCH_SECONDS = 2.0


class RedactionRules(msgspec.Struct, frozen=True):
    """What is redacted.

    `headers` and `query` are lower-case names of headers and of query or form parameters. `known_names` adds the table
    of known names, also for JSON members. `json_paths` are paths such as `$.metadata.user_id`, `messages[*].name` or
    `..email`. `text` finds secrets in any text. `secrets` are known values, which are removed everywhere.
    `placeholders` stand for secrets and are kept.
    """

    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    json_paths: tuple[str, ...] = ()
    text: tuple[TextRule, ...] = ()
    secrets: tuple[str, ...] = ()
    placeholders: frozenset[str] = frozenset((PLACEHOLDER,))
    known_names: bool = False

    def adding(
        self,
        *,
        headers: Iterable[str] = (),
        query: Iterable[str] = (),
        json_paths: Iterable[str] = (),
        text: Iterable[str | re.Pattern[str]] = (),
        secrets: Iterable[str] = (),
        placeholders: Iterable[str] = (),
    ) -> RedactionRules:
        """These rules and more. Raises `UsageError` for a wrong JSON path or regular expression."""
        paths = tuple(json_paths)
        for path in paths:
            if not is_json_path(path):
                raise UsageError(f"the JSON path {path!r} can't be read: write it as $.a.b, a[*].b or ..b")
        return msgspec.structs.replace(
            self,
            headers=self.headers | {name.lower() for name in headers},
            query=self.query | {name.lower() for name in query},
            json_paths=self.json_paths + paths,
            text=self.text + tuple(_text_rule(pattern) for pattern in text),
            secrets=tuple(dict.fromkeys((*self.secrets, *(secret for secret in secrets if secret)))),
            placeholders=self.placeholders | {text for text in placeholders if text},
        )

    def is_header(self, name: str) -> bool:
        """Whether the values of a header are secret."""
        return name.lower() in self.headers or (self.known_names and is_secret_name(name, "header"))

    def is_parameter(self, name: str) -> bool:
        """Whether a query or form parameter is secret; its name may be percent-encoded."""
        return unquote_plus(name).lower() in self.query or (self.known_names and is_secret_parameter(name))

    def is_member(self, path: Path, value: str) -> bool:
        """Whether the text at a path of JSON is secret by its name; a `value` has the name of the object around it."""
        names = [key for key in path[-4:] if isinstance(key, str)]
        if names[-1:] == ["value"]:
            names.pop()
        if not (self.known_names and names):
            return False
        return is_secret_member(names[-1], value, len(names) > 1 and holds_headers(names[-2]))

    def may_be_member(self, name: str) -> bool:
        """Whether a text under this name can be secret by its name."""
        return self.known_names and may_be_secret_member(name)

    @property
    def own_text(self) -> tuple[re.Pattern[str] | BoundedPattern, ...]:
        """The patterns of the user's own text rules."""
        return tuple(rule.pattern for rule in self.text if rule.name == _OWN)

    def is_wanted(self, path: Path) -> bool:
        """Whether `json_paths` name the JSON at a path."""
        return any(matches(path, pattern) for pattern in self.json_paths)


def _text_rule(pattern: str | re.Pattern[str]) -> TextRule:
    if isinstance(pattern, re.Pattern):
        return TextRule(_OWN, pattern)
    try:
        return TextRule(_OWN, bounded_pattern(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"the text rule {pattern!r} is not a regular expression ({error})") from error
    except (PatternTimeoutError, ValueError) as error:
        raise UsageError(f"the text rule {pattern[:80]!r} can't be used: {error}") from error


def own_matches(pattern: re.Pattern[str] | BoundedPattern, text: str) -> Iterable[Any]:
    """The matches of a user's own rule. Raises `UsageError` for one that takes too long; `re` has no limit."""
    try:
        with pattern_budget(_MATCH_SECONDS):
            return pattern.finditer(text)
    except PatternTimeoutError as error:
        raise UsageError(
            f"the text rule {pattern.pattern[:80]!r} takes more than {_MATCH_SECONDS:g} s in a text of {len(text)} "
            "characters: write it without a repetition inside a repetition"
        ) from error


def secrets_of_environment(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables with secret names, such as OPENAI_API_KEY."""
    return tuple(
        dict.fromkeys(
            value for name, value in environ.items() if is_secret_name(f"the_{name}", "member") and is_distinct(value)
        )
    )


def is_distinct(secret: str) -> bool:
    """Whether a value can be searched for: it is not an ordinary word like the keys `ollama` and `not-needed`."""
    return PLACEHOLDER not in secret and (
        len(secret) >= 12 or (len(secret) >= 8 and any(not char.isalpha() and char not in "-_ ." for char in secret))
    )


DEFAULT_RULES = RedactionRules(text=TEXT_RULES, known_names=True)
"""What is redacted unless rules are passed; `adding(...)` returns them with your own on top."""
