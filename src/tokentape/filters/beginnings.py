"""How the matches of a pattern begin: a piece of text in which none does needs no search.

It is read from the parsed pattern, and is rather too much than too little: what looks ahead is left out, and where `re`
and `regex` may read a set of characters differently, beyond ASCII, each character counts as one of it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple, TypeAlias

Source: TypeAlias = tuple[str, int]
"""A pattern of `re` and its flags."""
_Items: TypeAlias = Sequence[tuple[Any, Any]]
# What follows, as a pattern: for the number of characters that are still looked at, and the place they are at.
_Rest: TypeAlias = Callable[[int, str], str]

_LENGTHS: Final = (4, 1)
"""How many characters are looked at: the second number if the first takes too many steps."""
_MOST_STEPS: Final = 20_000
"""A pattern of many alternatives, or of many parts that may be empty, would take more than any time without a limit."""
_ANY: Final = re.compile(r"[\s\S]")
_NEVER: Final = "(?!)"
_TEXT_START: Final = r"\A"
_ASCII: Final = frozenset(map(chr, range(128)))
_NOT_ASCII: Final = r"\x80-\U0010ffff"
# What these are for `re` or `regex` without case.
_CASELESS: Final = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}
_DIGITS: Final = frozenset(string.digits)
_WORD: Final = frozenset(string.ascii_letters + string.digits + "_")
_SPACES: Final = frozenset(" \t\n\r\f\v")
_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: _DIGITS,
    op.CATEGORY_NOT_DIGIT: _ASCII - _DIGITS,
    op.CATEGORY_WORD: _WORD,
    op.CATEGORY_NOT_WORD: _ASCII - _WORD,
    op.CATEGORY_SPACE: _SPACES,
    op.CATEGORY_NOT_SPACE: _ASCII - _SPACES,
}
_REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_CHARACTERS: Final = (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY)


class Run(NamedTuple):
    """The characters of ASCII of which each match begins with one or more, and the one that must follow them."""

    characters: str
    ending: str


NO_RUN: Final = Run("", "")


def run_of(sources: Sequence[Source]) -> Run:
    """Return the run with which each match of the patterns begins, as an e-mail address does, or `NO_RUN`."""
    (items, flags), *more = _alternatives(sources)
    if more or len(items) < 2 or items[0][0] is not op.MAX_REPEAT or items[1][0] is not op.LITERAL:
        return NO_RUN
    least, most, repeated = items[0][1]
    ending = chr(items[1][1])
    if least != 1 or most is not op.MAXREPEAT or len(repeated) != 1 or repeated[0][0] not in _CHARACTERS:
        return NO_RUN
    if ending not in _ASCII or (ending.isalpha() and flags & re.IGNORECASE):
        return NO_RUN
    return Run("".join(sorted(_characters(repeated[0], flags)[0])), ending)


def awaited(sources: Sequence[Source]) -> dict[str, str]:
    """Return the beginnings after which a match goes on up to a character, whatever comes before that."""
    alternatives = _alternatives(sources)
    found = dict(pair for items, flags in alternatives if (pair := _awaited(items, flags)) is not None)
    patterns = [_beginning_of([each]) for each in alternatives] if found else []
    # Another alternative that may begin in the same way may end sooner.
    return {first: ending for first, ending in found.items() if sum(bool(each.match(first)) for each in patterns) == 1}


def _awaited(items: _Items, flags: int) -> tuple[str, str] | None:
    """Return the characters with which a pattern begins, perhaps, and the one up to which anything goes after them."""
    start = 0
    while start < len(items) and items[start][0] in _REPEATS and items[start][1][0] == 0:
        start += 1
    end = start
    while end < len(items) and items[end][0] is op.LITERAL:
        end += 1
    if end == start or len(items) < end + 2 or items[end][0] not in _REPEATS or items[end + 1][0] is not op.LITERAL:
        return None
    (_, (least, most, repeated)), (_, ending) = items[end : end + 2]
    if least > 1 or most is not op.MAXREPEAT or flags & re.IGNORECASE or not _is_any_but(repeated, ending, flags):
        return None
    return "".join(chr(value) for _, value in items[start:end]), chr(ending)


def _is_any_but(repeated: _Items, ending: int, flags: int) -> bool:
    if len(repeated) != 1:
        return False
    kind, value = repeated[0]
    if kind is op.ANY:
        return bool(flags & re.DOTALL) or ending == ord("\n")
    if kind is op.IN:
        return {(op.CATEGORY, op.CATEGORY_SPACE), (op.CATEGORY, op.CATEGORY_NOT_SPACE)} <= set(value)
    return kind is op.NOT_LITERAL and value == ending


def _alternatives(sources: Sequence[Source]) -> list[tuple[_Items, int]]:
    """Return the alternatives of the patterns with their flags, without the places at which they begin."""
    found: list[tuple[_Items, int]] = []
    for source in sources:
        items = _parser.parse(*source)
        flags = items.state.flags
        while len(items) == 1 and items[0][0] is op.SUBPATTERN:
            _, added, removed, items = items[0][1]
            flags = (flags | added) & ~removed
        branches = items[0][1][1] if len(items) == 1 and items[0][0] is op.BRANCH else [items]
        found += [(each[1:] if len(each) and each[0][0] is op.AT else each, flags) for each in branches]
    return found


def beginning(sources: Iterable[Source], *, within_line: bool = False) -> re.Pattern[str]:
    """Return the pattern of what may be the beginning of a match: a whole one, or up to the end of the text.

    It is for a text that may begin anywhere, or one that begins within a line.
    """
    parsed = [_parser.parse(*source) for source in sources]
    return _beginning_of([(each, each.state.flags) for each in parsed], within_line=within_line)


def _beginning_of(patterns: Sequence[tuple[_Items, int]], *, within_line: bool = False) -> re.Pattern[str]:
    for length in _LENGTHS:
        writer = _Beginning(length, within_line=within_line)
        with suppress(_TooManyStepsError, RecursionError):
            found = writer.any_of(writer.after(items, flags, writer.nothing, length) for items, flags in patterns)
            return re.compile(_one_of(frozenset(writer.first), "".join(writer.others)) + found)
    return _ANY


class _TooManyStepsError(Exception):
    """The beginning of a pattern has too many forms."""


class _Beginning:
    """Writes the pattern of a beginning of this length; `first` and `others` are the characters that it begins with."""

    def __init__(self, length: int, *, within_line: bool) -> None:
        self.length = length
        self.within_line = within_line
        self.first: set[str] = set()
        self.others: dict[str, None] = {}
        self._steps = 0

    def nothing(self, left: int, _place: str) -> str:
        """Return what follows a whole match; one without characters does not count."""
        return _NEVER if left == self.length else ""

    def after(self, items: _Items, flags: int, rest: _Rest, left: int, place: str = "") -> str:
        """Return the pattern for these items and the rest. Raises `_TooManyStepsError`."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise _TooManyStepsError
        if not left:
            return ""
        if not len(items):
            return rest(left, place)
        (kind, value), more = items[0], items[1:]

        def then(left: int, place: str) -> str:
            return self.after(more, flags, rest, left, place)

        if kind in _CHARACTERS:
            return self._character(_characters(items[0], flags), then, left, place)
        if kind is op.BRANCH:
            return self.any_of(self.after(branch, flags, then, left, place) for branch in value[1])
        if kind is op.GROUPREF_EXISTS:
            return self.any_of(self.after(branch or (), flags, then, left, place) for branch in value[1:])
        if kind is op.SUBPATTERN:
            _, added, removed, inner = value
            return self.after(inner, (flags | added) & ~removed, then, left, place)
        if kind is op.ATOMIC_GROUP:
            return self.after(value, flags, then, left, place)
        if kind in _REPEATS:
            least, most, inner = value

            def again(now: int, place: str) -> str:
                fewer = () if now == left else ((kind, (max(least - 1, 0), most - 1, inner)),)
                return self.after([*fewer, *more], flags, rest, now, place)

            once = self.after(inner, flags, again, left, place) if most else _NEVER
            return once if least else self.any_of((once, then(left, place)))
        if kind is op.AT:
            begins = _place(value, flags)
            if not begins or not self.within_line or left < self.length:
                return then(left, place + begins)
            return _NEVER if begins == _TEXT_START else self._character((frozenset("\n"), ""), then, left, "")
        if kind is op.ASSERT_NOT:
            return then(left, place + _not_after(value[0], value[1], flags))
        if kind is op.ASSERT:
            return then(left, place)
        # What depends on other parts of the match.
        return self._character((_ASCII, _NOT_ASCII), lambda _left, _place: "", left, place)

    def _character(self, characters: tuple[frozenset[str], str], then: _Rest, left: int, place: str) -> str:
        pattern = place + _one_of(*characters)
        if left == self.length:
            self.first |= characters[0]
            self.others[characters[1]] = None
            pattern = f"(?<={pattern})"
        following = then(left - 1, "")
        return pattern + (following and rf"(?:\Z|{following})")

    def any_of(self, patterns: Iterable[str]) -> str:
        """Return a pattern of alternatives."""
        different = [each for each in dict.fromkeys(patterns) if each != _NEVER] or [_NEVER]
        if "" in different:
            return ""
        return different[0] if len(different) == 1 else f"(?:{'|'.join(different)})"


def _place(place: Any, flags: int) -> str:
    if place is op.AT_BEGINNING and flags & re.MULTILINE:
        return "(?m:^)"
    return _TEXT_START if place in (op.AT_BEGINNING, op.AT_BEGINNING_STRING) else ""


def _not_after(direction: int, items: _Items, flags: int) -> str:
    """Return the pattern of a place that does not follow this, if it is one character."""
    if direction > 0 or len(items) != 1 or items[0][0] not in _CHARACTERS:
        return ""
    characters, _ = _characters(items[0], flags)
    return f"(?<!{_one_of(characters, '')})"


def _characters(item: tuple[Any, Any], flags: int) -> tuple[frozenset[str], str]:
    """Return the characters of ASCII that are in a set for `regex`, and what others may be, as within brackets."""
    kind, value = item
    if kind is op.ANY:
        return _ASCII if flags & re.DOTALL else _ASCII - {"\n"}, _NOT_ASCII
    members = value if kind is op.IN else [(op.LITERAL, value)]
    is_negated = kind is op.NOT_LITERAL or members[0][0] is op.NEGATE
    found: set[str] = set()
    others: list[str] = []
    for member, argument in members:
        if member is op.CATEGORY:
            found |= _CATEGORIES[argument]
            others.append(r"\d" if argument is op.CATEGORY_DIGIT else _NOT_ASCII)
        elif member is not op.NEGATE:
            low, high = argument if member is op.RANGE else (argument, argument)
            found |= set(map(chr, range(low, min(high, 127) + 1)))
            if high > 127:
                others.append(_NOT_ASCII if flags & re.IGNORECASE else f"\\U{max(low, 128):08x}-\\U{high:08x}")
            if flags & re.IGNORECASE and not is_negated:
                found |= {letter for caseless, letter in _CASELESS.items() if low <= ord(caseless) <= high}
    if flags & re.IGNORECASE:
        found |= {each.swapcase() for each in found}
        others += _CASELESS
    return (_ASCII - found, _NOT_ASCII) if is_negated else (frozenset(found), "".join(others))


def _one_of(characters: frozenset[str], others: str) -> str:
    """Return the pattern of one of these characters."""
    if _NOT_ASCII in others:
        rest = re.escape("".join(sorted(_ASCII - characters)))
        return f"[^{rest}]" if rest else r"[\s\S]"
    return f"[{re.escape(''.join(sorted(characters)))}{others}]" if characters or others else _NEVER
