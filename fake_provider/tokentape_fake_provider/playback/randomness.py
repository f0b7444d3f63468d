"""Randomness: whether a value looks random, as keys do, or written by a person, as names and words do."""

from __future__ import annotations

import re

_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SEGMENT = re.compile(r"[A-Za-z0-9]+")
_DIGIT = re.compile(r"\d")
_LONGEST = 256


def is_random(value: str, *, least: int = 3, length: int = 6) -> bool:
    """Whether letters, capitals and digits alternate too often for words.

    They must do so at `least` times, and at least once in `length` characters. Words that are joined by capitals,
    hyphens, dots or underscores alternate at most once in five characters; random base64, hex and base32 once in two to
    three. A value without digits must alternate more often.
    """
    value = value[:_LONGEST]
    changes = len(_RUN.findall(value)) - len(_SEGMENT.findall(value))
    if _DIGIT.search(value):
        return changes >= least and length * changes >= len(value)
    return len(value) >= 20 and 10 * changes >= 3 * len(value)
