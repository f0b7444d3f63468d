"""Candidates: the text rules that may match a text, by the hints that it has; a search for those is fast."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Generic, TypeVar

from tokentape_harness.redaction.json_text import JsonStrings, StringGroup
from tokentape_harness.redaction.text_rules import NAME_RULES, TextRule

T = TypeVar("T")

_MARKS: Final = frozenset("_-.")
_LONGEST_HINT: Final = 40
# A large file in base64. Within it only rules for keys that begin like base64 can match, and others only at its ends.
_LARGE: Final = 4096
_END: Final = 256
_BASE64: Final = re.compile(r"(?:data:[A-Za-z0-9/+.-]{1,100};base64,)?[A-Za-z0-9+/]+={0,2}")


def candidates_in(text: str, text_rules: Sequence[TextRule]) -> list[TextRule]:
    """The text rules that may match the text, each with those of its hints that the text has."""
    # No hint contains a quotation mark, and most strings of a stream are in each of its events.
    return _among(set(text.split('"')), text_rules) if text_rules else []


def candidates_of(strings: JsonStrings, text_rules: Sequence[TextRule]) -> Sequence[TextRule]:
    """The text rules that may match texts with these strings, or the joined strings of a group."""
    return _among(strings.parts.union(map(_sample, strings.groups)), text_rules)


def kept_candidates_of(strings: JsonStrings, text_rules: Sequence[TextRule]) -> Sequence[TextRule]:
    """The same, which is kept for the last strings: they are searched first, and then the text that they are in."""
    return _kept(_Same(strings), _Same(text_rules))


def with_names(text_rules: Sequence[TextRule]) -> Sequence[TextRule]:
    """The text rules, and those for a text in which secrets are known by their names alone."""
    return _with_names(_Same(text_rules))


def _among(parts: set[str], text_rules: Sequence[TextRule]) -> list[TextRule]:
    """The text rules that may match a text with these parts between its quotation marks."""
    blobs = [part for part in parts if len(part) > _LARGE and _BASE64.fullmatch(part)]
    if blobs:
        parts = parts.difference(blobs).union(*((blob[:_END], blob[-_END:]) for blob in blobs))
    keys = tuple(exact for rule in text_rules for exact in rule.exact if exact.isalnum()) if blobs else ()
    held = frozenset(key for blob in blobs for key in _held(blob, keys))
    text = '"'.join(parts)
    hints = _hints(_Same(text_rules))
    found = dict[int, list[str]]()
    for hint in hints.in_text(text.lower()):
        for number in hints.rules[hint]:
            found.setdefault(number, []).append(hint)
    if held:
        for number, rule in enumerate(text_rules):
            if not held.isdisjoint(rule.exact):
                found.setdefault(number, [])
    candidates = list[TextRule]()
    for number in sorted(found):
        rule = text_rules[number]
        exact = tuple(part for part in rule.exact if part in held or part in text)
        if exact or not rule.exact:
            candidates.append(rule._replace(hints=tuple(found[number]), exact=exact))
    return candidates


class _Same(Generic[T]):
    """A value as a key, by its identity: a hash of all rules takes longer than a search for their hints."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@lru_cache(maxsize=1)
def _kept(strings: _Same[JsonStrings], text_rules: _Same[Sequence[TextRule]]) -> Sequence[TextRule]:
    return candidates_of(strings.value, text_rules.value)


def _sample(group: StringGroup) -> str:
    """A text with the hints of the whole one, which may be one value again and again, such as an id."""
    value, count = group.values[0], len(group.values)
    if group.values.count(value) == count:
        return value * min(count, 2 + _LONGEST_HINT // max(len(value), 1))
    return "".join(group.values)


@lru_cache(maxsize=16)
def _with_names(text_rules: _Same[Sequence[TextRule]]) -> tuple[TextRule, ...]:
    return (*text_rules.value, *NAME_RULES)


class _Hints:
    """The hints of text rules. Most end in a mark, such as `sk-`, and are looked for at the marks of a text only."""

    def __init__(self, text_rules: Sequence[TextRule]) -> None:
        self.rules: dict[str, tuple[int, ...]] = {}
        """The numbers of the rules with each hint; that of a rule without hints is empty, which any text has."""
        self._others: list[str] = []
        # By mark, by length of the word before it, by this word.
        self._ended: dict[str, dict[int, dict[str, list[str]]]] = {}
        for number, rule in enumerate(text_rules):
            for hint in rule.hints or ("",):
                self.rules[hint] = (*self.rules.get(hint, ()), number)
        for hint in self.rules:
            mark = hint[-1:]
            word = hint[:-1].rpartition(mark)[2] if mark in _MARKS else ""
            if word:
                by_length = self._ended.setdefault(mark, {})
                by_length.setdefault(len(word), {}).setdefault(word, []).append(hint)
            else:
                self._others.append(hint)

    def in_text(self, lower: str) -> Iterator[str]:
        """The hints that a text in lower case has."""
        yield from (hint for hint in self._others if hint in lower)
        for mark, by_length in self._ended.items():
            before = {part[-_LONGEST_HINT:] for part in lower.split(mark)[:-1]}
            for length, words in by_length.items():
                for word in words.keys() & {part[-length:] for part in before}:
                    yield from (hint for hint in words[word] if hint in lower)


@lru_cache(maxsize=16)
def _hints(text_rules: _Same[Sequence[TextRule]]) -> _Hints:
    return _Hints(text_rules.value)


@lru_cache(maxsize=4)
def _held(blob: str, keys: tuple[str, ...]) -> frozenset[str]:
    """The beginnings of keys in a large file, which is searched again in each request that holds it."""
    return frozenset(key for key in keys if key in blob)
