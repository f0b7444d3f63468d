"""Randomness: whether a value looks drawn at random, as keys are, or written by hand, as names and words are."""

from __future__ import annotations

import re

_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SEGMENT = re.compile(r"[A-Za-z0-9]+")
_DIGIT = re.compile(r"\d")
_LONGEST = 256


def is_random(value: str, *, least: int = 3, length: int = 6) -> bool:
    """Whether letters, capitals and digits alternate too often for words: in `least` places, and one in `length`.

    Words that are joined by capitals, hyphens, dots or underscores alternate once in five characters or less, a
    random value in base64, hex or base32 once in two to three. Without any digit the measure is stricter.
    """
    value = value[:_LONGEST]
    changes = len(_RUN.findall(value)) - len(_SEGMENT.findall(value))
    if _DIGIT.search(value):
        return changes >= least and length * changes >= len(value)
    return len(value) >= 20 and 10 * changes >= 3 * len(value)
