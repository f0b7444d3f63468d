"""Embeddings without a model: the words of a text and their parts, hashed into a vector of unit length.

Texts that share words, or words of the same stem, are near; texts that share none are nearly orthogonal. The same text
has the same vector in every process, on every version of Python, and for every model with as many dimensions.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from operator import mul
from struct import unpack
from typing import Final, TypeAlias

from tokentape_fake_provider.script.tokenizer import CJK

Vector: TypeAlias = Sequence[float]

# Half of what a word contributes lies in the first dimensions, so that shortened vectors rank well too.
_CORE: Final = 256
_WORD: Final = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+")
_IDEOGRAPHS: Final = re.compile(f"[{CJK}]")
_ENDINGS: Final = re.compile(r"(?:ies|ing|ed|er|es|ly|s|e|y)$")
_SHORTEST_STEM: Final = 3
_COMMON: Final = """
a about after all also am an and any are as at be because been before being between both but by can could did
do does doing done for from get gets getting give go goes got had has have having he her here hers him his how
i if in into is it its just know let like make makes many may me might more most much must my need no not now
of off on one only or other our out over own please same say she should so some such take than that the their
them then there these they this those through to too under up us use very want was way we well were what when
where which while who whom whose why will with without would you your s t d ll m re ve don
"""
_STOP_WORDS: Final = frozenset(_COMMON.split())
_STOP_WEIGHT: Final = 0.08
_STEM_WEIGHT, _FORM_WEIGHT, _PART_WEIGHT = 1.0, 0.25, 0.35
# A vocabulary of byte pairs begins with what is common: the number of a token from which on it counts fully.
_RARE_TOKEN: Final = 10_000


def embed(text: str | Sequence[int], size: int, full: int | None = None, *, whole_words: Sequence[str] = ()) -> Vector:
    """The vector of a text, or of the numbers of its tokens: `size` dimensions, of a model that has `full`.

    A shortened vector is the beginning of the full one, scaled to unit length. `whole_words` are further words that are
    near to nothing but themselves.
    """
    values = [0.0] * max(size, full or size)
    for whole in whole_words:
        for index, value in _spread(f"whole {whole}", _STEM_WEIGHT, len(values)):
            values[index] += value
    for word, count in () if whole_words and not text else _words(text).items():
        weight = 1.0 + math.log(count)
        for index, value in _features(word, len(values)):
            values[index] += weight * value
    del values[size:]
    norm = math.hypot(*values)
    if not norm:  # nothing of a short text lies in the first dimensions
        values[unpack("<I", _digest(str(text))[:4])[0] % size] = norm = 1.0
    return array("f", [value / norm for value in values])


def similarity(one: Vector, other: Vector) -> float:
    """The cosine of two vectors of unit length."""
    return math.fsum(map(mul, one, other))


def _words(text: str | Sequence[int]) -> Counter[str | int]:
    if not isinstance(text, str):
        return Counter(text)
    counts: Counter[str | int] = Counter()
    for match in _WORD.finditer(text.casefold()):
        word = match[0]
        if len(word) > 2 and _IDEOGRAPHS.match(word):
            counts.update(word[at : at + 2] for at in range(len(word) - 1))
        else:
            counts[word] += 1
    return counts or Counter([text.strip()])


@lru_cache(maxsize=8192)
def _features(word: str | int, size: int) -> tuple[tuple[int, float], ...]:
    """Where and how much a word adds to a vector of this size."""
    if isinstance(word, int):
        return tuple(_spread(f"token {word}", min(1.0, math.sqrt(max(0, word) / _RARE_TOKEN)), size))
    if word in _STOP_WORDS:
        return tuple(_spread(word, _STOP_WEIGHT, size))
    stem = _stem(word)
    found = [*_spread(f"stem {stem}", _STEM_WEIGHT, size), *_spread(word, _FORM_WEIGHT, size)]
    parts = [f"^{stem}$"[at : at + 3] for at in range(len(stem))]
    if len(stem) > _SHORTEST_STEM:
        weight = _PART_WEIGHT / math.sqrt(len(parts))
        found += [_spread(f"part {part}", weight, size)[1] for part in parts]
    return tuple(found)


def _stem(word: str) -> str:
    if len(word) <= _SHORTEST_STEM or not word.isascii():
        return word
    stem = _ENDINGS.sub("", word)
    stem = _ENDINGS.sub("", stem) if len(stem) > _SHORTEST_STEM + 2 else stem
    if len(stem) < _SHORTEST_STEM:
        return word
    return stem[:-1] if stem[-1] == stem[-2] else stem


def _spread(feature: str, weight: float, size: int) -> list[tuple[int, float]]:
    """A feature in four dimensions, with signs: two of the first ones, two of all."""
    numbers = unpack("<4I", _digest(feature))
    core = min(size, _CORE)
    return [
        ((number >> 1) % (size if place % 2 else core), (weight if number & 1 else -weight) / 2)
        for place, number in enumerate(numbers)
    ]


def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
