"""Explanation: every difference between a request and its nearest recording, with the flag that would ignore it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Final

import msgspec

from tokentape_fake_provider.sessions.matching.json_path import is_json_path
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.regions import Region, mapped
from tokentape_fake_provider.sessions.matching.request_comparison import ABSENT, Difference, differences

RECORD: Final = "--mode new_episodes records it"
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_MESSAGES: Final = re.compile(r"(?:request\.)?(?:messages|contents|input|chat_history)\[\d+\]")
_WORD: Final = re.compile(r"\w")
_SPECIAL: Final = re.compile(r"([.^$*+?{}\[\]\\|()])")
# As much of a line before what differs as makes a pattern unmistakable.
_BEFORE: Final = 24
_SHORTEST_CONTEXT: Final = 3
_MOST_PATTERNS: Final = 3


def explained(recorded: Any, received: Any, normaliser: Normaliser, record: str = RECORD) -> list[str]:
    """A line for each field that differs in these JSON bodies, and how a replay would match or get a recording.

    `record` says how it is recorded.
    """
    found = differences(normaliser.normal(recorded), normaliser.normal(received))
    regions = mapped(received, lambda _value, region, _key: region)
    return [f"{one}: {_advice(one, recorded, received, regions, normaliser, record)}" for one in found]


def _advice(one: Difference, recorded: Any, received: Any, regions: Any, normaliser: Normaliser, record: str) -> str:
    """The flag that would help, which was tried out."""
    in_message = _MESSAGES.match(one.path) is not None
    if in_message and ABSENT in (one.recorded, one.received):
        return record
    patterns = tuple(_patterns(one, _at(recorded, one.path), _at(received, one.path)))
    is_words = in_message and _at(regions, one.path) is Region.WORDS
    if 0 < len(patterns) <= _MOST_PATTERNS and all(patterns):
        settings = normaliser.settings
        changed = msgspec.structs.replace(settings, ignore_text=(*settings.ignore_text, *patterns))
        if _agree(one.path, recorded, received, Normaliser(changed, normaliser.machine)):
            flags = " ".join(f"--ignore-text {shlex.quote(text)}" for text in patterns)
            return f"{record}; if it asks nothing else: {flags}" if is_words else flags
    path = f"$.{one.path}"
    return record if is_words or not is_json_path(path) else f"--ignore-path {shlex.quote(path)}"


def _agree(path: str, recorded: Any, received: Any, normaliser: Normaliser) -> bool:
    return path not in {one.path for one in differences(normaliser.normal(recorded), normaliser.normal(received))}


def _patterns(one: Difference, recorded: Any, received: Any) -> Iterator[str]:
    """A pattern for each line that differs in two texts of as many lines; nothing if there is none."""
    values = (one.recorded, one.received, recorded, received)
    if not all(isinstance(value, str) for value in values):
        return
    normal_before, normal_after, before, after = (value.splitlines() for value in values)
    if len({len(normal_before), len(normal_after), len(before), len(after)}) > 1:
        return
    found = dict[str, None]()
    for number, line in enumerate(before):
        if normal_before[number] != normal_after[number] and line != after[number]:
            found[_pattern(line, after[number])] = None
    yield from found


def _pattern(before: str, after: str) -> str:
    """A pattern of what differs in two lines, with the words before it; empty if these are too few."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    while same and _WORD.match(before[same - 1]):
        same -= 1
    rest = (before[same:], after[same:])
    end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*(text[::-1] for text in rest), strict=False)))
    while end and _WORD.match(rest[0][len(rest[0]) - end]):
        end -= 1
    first, second = (_general(text[: len(text) - end]) for text in rest)
    start = max(0, same - _BEFORE)
    while 0 < start < same and _WORD.match(before[start - 1]):
        start += 1
    context = before[start:same]
    if len(re.findall("[A-Za-z]", context)) < _SHORTEST_CONTEXT:
        return ""
    return _escaped(context) + (first if first == second else ".*")


def _general(text: str) -> str:
    """A pattern of the kind of a text: numbers are any numbers, words any words."""
    parts = re.findall(r"\d+|[A-Za-z]+|[^\dA-Za-z]+", text)
    return "".join(
        r"\d+" if part[0].isdigit() else r"[A-Za-z]+" if part[0].isalpha() else _escaped(part) for part in parts
    )


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _at(value: Any, path: str) -> Any:
    """The value at a path such as `messages[0].content`; `None` if there is none."""
    for name, number in _STEP.findall(path):
        if name:
            value = value.get(name) if isinstance(value, dict) else None
        else:
            value = value[int(number)] if isinstance(value, list) and int(number) < len(value) else None
    return value
