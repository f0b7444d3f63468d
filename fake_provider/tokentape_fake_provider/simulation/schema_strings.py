"""Strings and numbers within a schema's bounds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from math import ceil, floor, lcm
from typing import Any, Final

from tokentape_fake_provider.errors import SchemaError
from tokentape_fake_provider.http.bounded_pattern import BoundedPattern
from tokentape_fake_provider.simulation.json_schema import Schema
from tokentape_fake_provider.simulation.named_values import named_texts, number_range
from tokentape_fake_provider.simulation.schema_check import is_multiple
from tokentape_fake_provider.simulation.text_pattern import LARGEST, matching_text

_ATTEMPTS: Final = 300
_POOLED: Final = 20
"""How many times faster a text of words is than one for a pattern."""

_DATE = r"202\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_HOST = r"[a-z]{2,30}(\.[a-z]{2,30}){0,4}\.(com|org|net)"
_URI = rf"https://{_HOST}(/[a-z0-9]+)*"
_EMAIL = r"[a-z]+(\.[a-z]+)?@[a-z]{1,30}\.(com|org|net)"
FORMATS: Final[Mapping[str, str]] = {
    "date": _DATE,
    "date-time": f"{_DATE}T{_TIME}Z",
    "time": f"{_TIME}Z",
    "duration": r"P([1-9]\d*D|T[1-9]\d*[HM])",
    "email": _EMAIL,
    "idn-email": _EMAIL,
    "hostname": _HOST,
    "idn-hostname": _HOST,
    "ipv4": r"(1\d\d|[1-9]?\d)(\.(1\d\d|[1-9]?\d)){3}",
    "ipv6": r"2001:db8(:[0-9a-f]{1,4}){6}|::[0-9a-f]{1,4}",
    "uri": _URI,
    "url": _URI,
    "iri": _URI,
    "uri-reference": rf"({_URI}|/[a-z0-9]+(/[a-z0-9]+)*)",
    "iri-reference": rf"({_URI}|/[a-z0-9]+(/[a-z0-9]+)*)",
    "uri-template": rf"{_URI}/\{{[a-z]+\}}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "json-pointer": r"(/[a-z0-9]+)*",
    "relative-json-pointer": r"\d(/[a-z0-9]+)*",
    "regex": r"\^[a-z]+(\[a-z\]\+)?\$|[a-z]*",
    "byte": r"([A-Za-z0-9+/]{4}){4,}|([A-Za-z0-9+/]{4})*",
}
"""What strings of a format look like, as regular expressions that are generated from."""
_NAMES_OF_FORMATS: Final = {"email": "email", "idn-email": "email", "uri": "url", "url": "url", "hostname": "domain"}


class UnsatisfiableError(SchemaError):
    """No value satisfies these schemas; another choice of `anyOf` may do."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"No value satisfies `{place}`: {reason}.")


def bounds(parts: Sequence[Schema], least: str, most: str) -> tuple[int, int | None]:
    """The least and the most of a count, such as `minLength` and `maxLength`. Raises `UnsatisfiableError`."""
    low = max((part.get(least, 0) for part in parts), default=0)
    high = min((part[most] for part in parts if most in part), default=None)
    if high is not None and low > high:
        raise UnsatisfiableError(keyword_place(parts, least), f"it is above `{most}`, which is {high}")
    if low > LARGEST:
        raise SchemaError(f"`{keyword_place(parts, least)}` is {low}: at most {LARGEST} are generated.")
    return low, high


def keyword_place(parts: Sequence[Schema], *keywords: str) -> str:
    """The place of the first of these keywords in the first schema that has it."""
    places = (f"{part.place}.{keyword}" for keyword in keywords for part in parts if keyword in part)
    return next(places, parts[0].place)


def text_value(
    parts: Sequence[Schema], name: str, draw: random.Random, locale: str, charge: Callable[[int], None]
) -> str:
    """A string that satisfies all these schemas, by its property's name where they leave it open.

    Each text that is tried is charged its length.
    """
    low, high = bounds(parts, "minLength", "maxLength")
    patterns: list[BoundedPattern] = [part["pattern"] for part in parts if "pattern" in part]
    formats = [part["format"] for part in parts if "format" in part]
    known = [FORMATS[one] for one in formats if one in FORMATS]

    def fits(text: str) -> bool:
        return (
            low <= len(text)
            and (high is None or len(text) <= high)
            and all(pattern.is_in(text) for pattern in patterns)
        )

    names = [_NAMES_OF_FORMATS.get(one, "") for one in formats if one in FORMATS]
    if len(names) <= 1 and "" not in names:
        pool = named_texts((names or [name or "words"])[0], locale)
        start = draw.randrange(len(pool))
        candidates = (text for text in (*pool[start:], *pool[:start]) if not patterns or _is_quick_to_search(text))
        found = next((text for text in candidates if fits(text)), None)
        if found is not None:
            return found
        if not names and not patterns:
            charge(low // _POOLED)
            return _sized(pool, low, high, draw)
    sources = [*known, *(pattern.pattern for pattern in patterns)]
    for attempt in range(_ATTEMPTS):
        text = matching_text(sources[attempt % len(sources)], draw, low, high)
        charge(len(text))
        if fits(text) and all(re.fullmatch(one, text) for one in known):
            return text
    raise UnsatisfiableError(
        keyword_place(parts, "pattern", "format"), "no string was found that has this form and these lengths"
    )


def _is_quick_to_search(text: str) -> bool:
    """Whether a pattern that does not match fails soon: the time of `^(\\w+\\s?)*$` doubles with each letter."""
    return len(text) <= (16 if " " in text else 32)


def _sized(pool: Sequence[str], low: int, high: int | None, draw: random.Random) -> str:
    """Words of a length within the bounds."""
    text = draw.choice(pool)
    while len(text) < low:
        text += f" {draw.choice(pool)}"
    if high is not None and len(text) > high:
        text = text[:high].rstrip()
    return text.ljust(low, "x")


def number_value(parts: Sequence[Schema], name: str, draw: random.Random, *, integer: bool) -> Any:
    """A number that satisfies all these schemas, by its property's name where they leave it open."""
    low, above = _bound(parts, "minimum", "exclusiveMinimum", max)
    high, below = _bound(parts, "maximum", "exclusiveMaximum", min)
    steps = [part["multipleOf"] for part in parts if "multipleOf" in part]
    fractions = [_exact(step) for step in steps] + ([Fraction(1)] if integer else [])
    least, most, decimals = number_range(name) or ((1, 100, 0) if integer else (1, 1000, 2))
    step = _common(fractions) if fractions else Fraction(1, 10**decimals)
    start, end = _exact(least), _exact(most)
    span = end - start
    if low is not None and low > start:
        start, end = low, end if end >= low + step else low + span
    if high is not None and high < end:
        start, end = start if start <= high - step else high - span, high
    start, end = max(start, low) if low is not None else start, min(end, high) if high is not None else end
    for _ in range(20):
        first = floor(start / step) + 1 if above and start == low else ceil(start / step)
        last = ceil(end / step) - 1 if below and end == high else floor(end / step)
        if first > last and fractions:
            start = low if low is not None else (high - step if high is not None else start)
            end = high if high is not None else start + step
        elif first > last:
            step /= 10
        else:
            break
    else:
        first, last = 1, 0
    whole = step.denominator == 1
    drawn = (draw.randint(first, last) for _ in range(30 if first <= last else 0))
    for multiple in chain(drawn, range(first, min(last, first + 200) + 1)):
        value = int(multiple * step) if whole else float(multiple * step)
        if all(is_multiple(value, one) for one in steps):
            return value
    place = keyword_place(parts, "minimum", "exclusiveMinimum", "multipleOf", "type")
    raise UnsatisfiableError(place, "no number is within the bounds")


def _bound(parts: Sequence[Schema], inclusive: str, exclusive: str, tightest: Any) -> tuple[Fraction | None, bool]:
    """The bound that counts, and whether it is itself excluded."""
    sign = 1 if tightest is max else -1
    found = [
        (sign * _exact(part[keyword]), keyword == exclusive)
        for part in parts
        for keyword in (inclusive, exclusive)
        if keyword in part
    ]
    if not found:
        return None, False
    value, excluded = max(found)
    return sign * value, excluded


@lru_cache(maxsize=4096)
def _exact(number: float) -> Fraction:
    """A JSON number as it is written, in decimals."""
    return Fraction(str(number))


def _common(steps: Sequence[Fraction]) -> Fraction:
    """The least common multiple."""
    denominator = lcm(*(step.denominator for step in steps))
    return Fraction(lcm(*(int(step * denominator) for step in steps)), denominator)
