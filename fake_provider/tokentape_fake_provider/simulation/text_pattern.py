"""Generates text that matches a regular expression, as JSON Schema's `pattern` has it.

The expression is parsed into pieces that know their shortest and longest text, so that a text of a wanted length can be
built. Look-around and word boundaries are not built but left to the check of the result.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple, TypeAlias, assert_never

from tokentape_fake_provider.errors import SchemaError
from tokentape_fake_provider.http.bounded_pattern import LONGEST_PATTERN, BoundedPattern

Ranges: TypeAlias = tuple[tuple[int, int], ...]

_DIGITS: Final[Ranges] = ((48, 57),)
_WORD: Final[Ranges] = ((97, 122), (48, 57), (65, 90), (95, 95))
_SPACE: Final[Ranges] = ((32, 32),)
_ANY: Final[Ranges] = ((97, 122), (97, 122), (65, 90), (48, 57), (35, 38))
_PRINTABLE: Final[Ranges] = ((32, 126),)
_BEYOND: Final[Ranges] = ((161, 55295),)
_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": ((9, 13), (32, 32))}
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
# Python has no `\p{...}`; these stand for the categories, inside and outside of brackets.
_CATEGORIES: Final = {"Lu": "A-ZÀ-ÖØ-Þ", "Ll": "a-zß-öø-ÿ", "L": "a-zA-ZÀ-ÖØ-öø-ɏ", "N": "0-9", "P": "!-/:-@", "Z": " "}
_ECMA_SPELLING: Final = re.compile(
    r"\\[pP]\{(?:\w+=)?(?P<category>\w+)\}|\\u\{(?P<point>[0-9a-fA-F]+)\}|\\k<(?P<reference>\w+)>"
    r"|\\c(?P<control>[A-Za-z])|\\(?P<letter>[A-Za-z])|\\.|\(\?<(?=\w+>)|\[\^\]|[\[\]]",
    re.DOTALL,
)
_PYTHON_ESCAPES: Final = "dDwWsSbBtnrfvaxuAZ"
_SPELLED: Final = {"(?<": "(?P<", "[^]": r"[\s\S]"}
_MORE: Final = 6
"""The most repetitions of a quantifier beyond its least, unless a longer text is wanted."""
_UNBOUNDED: Final = 1 << 30
LARGEST: Final = 100_000
"""The most characters, items or properties that a schema may require."""
_USUALLY_LONGEST: Final = 1000


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str, place: str) -> BoundedPattern:
    """The pattern, compiled from its ECMA-262 spelling. Raises `SchemaError` for what is not a regular expression."""
    if not isinstance(pattern, str):
        raise SchemaError(f"`{place}` is not a string: use a regular expression.")
    try:
        return BoundedPattern(_in_python(pattern[: LONGEST_PATTERN + 1]))
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise SchemaError(f"`{place}` is not a regular expression: {error}.") from None


def matching_text(pattern: str, draw: random.Random, shortest: int = 0, longest: int | None = None) -> str:
    """A text for this Python pattern, of a length within the bounds if it can; a caller checks that it matches.

    Raises `SchemaError` if its shortest text is too long.
    """
    piece = _parsed(pattern)
    if piece.shortest > LARGEST:
        raise SchemaError(
            f"The pattern {pattern!r} needs {piece.shortest} characters: at most {LARGEST} are generated."
        )
    if shortest > piece.longest:  # where it is not anchored, other text may stand around it
        piece = _sequence((_AROUND, piece, _AROUND))
    low = max(shortest, piece.shortest)
    high = min(piece.longest, max(low, _USUALLY_LONGEST), _UNBOUNDED if longest is None else longest)
    return _build(piece, max(low, min(high, _usual_length(piece, draw))), draw, {})


def _in_python(pattern: str) -> str:
    """The ECMA-262 spellings that Python has not, in Python's."""
    bracket = False

    def spelled(match: re.Match[str]) -> str:
        nonlocal bracket
        text = match[0]
        match match.lastgroup:
            case "category":
                name = match["category"]
                members = _CATEGORIES.get(name) or _CATEGORIES.get(name[0], _CATEGORIES["L"])
                return members if bracket else f"[{'^' if text[1] == 'P' else ''}{members}]"
            case "point":
                return re.escape(chr(min(int(match["point"], 16), 0x10FFFF)))
            case "reference":
                return f"(?P={match['reference']})"
            case "control":
                return re.escape(chr(ord(match["control"]) % 32))
            case "letter":
                return text if match["letter"] in _PYTHON_ESCAPES else match["letter"]
        if text in "[]":
            bracket = text == "["
        return _SPELLED.get(text, text)

    return _ECMA_SPELLING.sub(spelled, pattern)


class _Character(NamedTuple):
    ranges: Ranges
    shortest: int = 1
    longest: int = 1


class _Sequence(NamedTuple):
    pieces: Sequence[_Piece]
    shortest: int
    longest: int


class _Choice(NamedTuple):
    pieces: Sequence[_Piece]
    shortest: int
    longest: int


class _Repeat(NamedTuple):
    piece: _Piece
    least: int
    most: int
    shortest: int
    longest: int


class _Group(NamedTuple):
    piece: _Piece
    names: Sequence[str]
    shortest: int
    longest: int


class _Backreference(NamedTuple):
    name: str
    shortest: int = 0
    longest: int = 0


_Piece: TypeAlias = _Character | _Sequence | _Choice | _Repeat | _Group | _Backreference


def _sequence(pieces: Sequence[_Piece]) -> _Piece:
    shortest, longest = sum(piece.shortest for piece in pieces), sum(piece.longest for piece in pieces)
    return pieces[0] if len(pieces) == 1 else _Sequence(pieces, shortest, min(_UNBOUNDED, longest))


def _choice(pieces: Sequence[_Piece]) -> _Piece:
    shortest, longest = min(piece.shortest for piece in pieces), max(piece.longest for piece in pieces)
    return pieces[0] if len(pieces) == 1 else _Choice(pieces, shortest, longest)


def _repeat(piece: _Piece, least: int, most: int) -> _Repeat:
    return _Repeat(piece, least, most, piece.shortest * least, min(_UNBOUNDED, piece.longest * most))


def _literal(character: str) -> _Character:
    return _Character(((ord(character), ord(character)),))


_NOTHING: Final = _Sequence((), 0, 0)
_AROUND: Final = _repeat(_Character(((97, 122),)), 0, _UNBOUNDED)


def _usual_length(piece: _Piece, draw: random.Random) -> int:
    match piece:
        case _Character() | _Backreference():
            return piece.shortest
        case _Sequence():
            return sum(_usual_length(one, draw) for one in piece.pieces)
        case _Choice():
            return _usual_length(draw.choice(piece.pieces), draw)
        case _Repeat():
            count = piece.least + draw.randint(0, min(_MORE, piece.most - piece.least))
            return count * _usual_length(piece.piece, draw)
        case _Group():
            return _usual_length(piece.piece, draw)
    assert_never(piece)


def _build(piece: _Piece, length: int, draw: random.Random, groups: dict[str, str]) -> str:
    """A text of this length, or of the nearest that the piece has; `groups` are what the groups so far matched."""
    match piece:
        case _Character(ranges):
            low, high = draw.choices(ranges, [high - low + 1 for low, high in ranges])[0]
            return chr(draw.randint(low, high))
        case _Sequence(pieces):
            shares = _shares(pieces, length - piece.shortest, draw)
            pairs = zip(pieces, shares, strict=True)
            return "".join(_build(one, one.shortest + share, draw, groups) for one, share in pairs)
        case _Choice(pieces):
            fitting = [one for one in pieces if one.shortest <= length <= one.longest]
            one = draw.choice(fitting or pieces)
            return _build(one, min(max(length, one.shortest), one.longest), draw, groups)
        case _Repeat(one):
            low = max(piece.least, -(-length // one.longest) if one.longest else 0)
            high = min(piece.most, length // one.shortest if one.shortest else low + _MORE)
            count = draw.randint(low, max(low, high))
            return _build(_Sequence([one] * count, one.shortest * count, 0), length, draw, groups)
        case _Group(one, names):
            text = _build(one, length, draw, groups)
            groups.update(dict.fromkeys(names, text))
            return text
        case _Backreference(name):
            return groups.get(name, "")
    assert_never(piece)


def _shares(pieces: Sequence[_Piece], extra: int, draw: random.Random) -> list[int]:
    """How many of `extra` characters each piece takes beyond its shortest text."""
    room = [piece.longest - piece.shortest for piece in pieces]
    shares = [0] * len(room)
    elastic = [index for index, size in enumerate(room) if size > 0]
    draw.shuffle(elastic)
    later = sum(room)
    for index in elastic:
        later -= room[index]
        least = max(0, extra - later)
        shares[index] = draw.randint(least, max(least, min(room[index], extra)))
        extra -= shares[index]
    return shares


@lru_cache(maxsize=1024)
def _parsed(pattern: str) -> _Piece:
    return _Parser(pattern).choice()


class _Parser:
    """Parses a pattern that Python's `re` has accepted, so it need not refuse anything."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._index = 0
        self._groups = 0

    def choice(self) -> _Piece:
        pieces = [self._sequence()]
        while self._take("|"):
            pieces.append(self._sequence())
        return _choice(pieces)

    def _sequence(self) -> _Piece:
        pieces: list[_Piece] = []
        while self._index < len(self._pattern) and self._pattern[self._index] not in "|)":
            pieces.append(self._quantified(self._atom()))
        return _sequence(pieces) if pieces else _NOTHING

    def _take(self, text: str) -> bool:
        found = self._pattern.startswith(text, self._index)
        self._index += len(text) * found
        return found

    def _match(self, pattern: str) -> re.Match[str] | None:
        if match := re.compile(pattern).match(self._pattern, self._index):
            self._index = match.end()
        return match

    def _quantified(self, piece: _Piece) -> _Piece:
        while match := self._match(r"(?:([*+?])|\{(\d+)\}|\{(\d*),(\d*)\})[?+]?"):
            simple, exact, least, most = match.groups()
            if simple:
                low, high = {"*": (0, _UNBOUNDED), "+": (1, _UNBOUNDED), "?": (0, 1)}[simple]
            else:
                low = int(exact or least or 0)
                high = int(exact or most or _UNBOUNDED)
            piece = _repeat(piece, low, high)
        return piece

    def _atom(self) -> _Piece:
        if self._take("("):
            return self._group()
        if self._take("["):
            return _Character(self._class())
        if self._take("^") or self._take("$"):
            return _NOTHING
        if self._take("."):
            return _Character(_ANY)
        if self._take("\\"):
            return self._escaped()
        self._index += 1
        return _literal(self._pattern[self._index - 1])

    def _group(self) -> _Piece:
        if (match := self._match(r"\?P=(\w+)\)")) is not None:
            return _Backreference(match[1])
        if self._match(r"\?#[^)]*\)") or self._match(r"\?[aiLmsux]+\)"):
            return _NOTHING
        looks = self._match(r"\?<?[=!]") is not None
        name = self._match(r"\?P<(\w+)>")
        captures = name is not None or not (looks or self._match(r"\?[aiLmsux-]*:|\?>"))
        names = []
        if captures:
            self._groups += 1
            names = [str(self._groups), *([name[1]] if name else [])]
        piece = self.choice()
        self._take(")")
        return _NOTHING if looks else _Group(piece, names, piece.shortest, piece.longest) if captures else piece

    def _escaped(self) -> _Piece:
        if (match := self._match(r"[1-9]\d?")) is not None:
            return _Backreference(match[0])
        if self._match(r"[AZbB]"):
            return _NOTHING
        if (ranges := self._class_escape()) is not None:
            return _Character(_SPACE if ranges == _CLASSES["s"] else ranges)
        return _literal(self._character_escape())

    def _class_escape(self) -> Ranges | None:
        if match := self._match(r"[dws]"):
            return _CLASSES[match[0]]
        if match := self._match(r"[DWS]"):
            return _without(_CLASSES[match[0].lower()])
        return None

    def _character_escape(self) -> str:
        if match := self._match(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(0[0-7]*)"):
            return chr(int(match[4], 8) if match[4] else int(match[1] or match[2] or match[3], 16))
        self._index += 1
        letter = self._pattern[self._index - 1]
        return _CONTROLS.get(letter, letter)

    def _class(self) -> Ranges:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self._take("]"):
            first = False
            member = self._member()
            if isinstance(member, tuple):
                ranges += member
            elif self._match(r"-(?!\])"):
                end = self._member()
                ranges.append((ord(member), ord(end) if isinstance(end, str) else ord(member)))
            else:
                ranges.append((ord(member), ord(member)))
        return _without(tuple(ranges)) if negated else tuple(ranges)

    def _member(self) -> str | Ranges:
        if self._take("\\"):
            if (ranges := self._class_escape()) is not None:
                return ranges
            return "\b" if self._take("b") else self._character_escape()
        self._index += 1
        return self._pattern[self._index - 1]


@cache
def _without(excluded: Ranges) -> Ranges:
    """The characters that are left: printable ASCII, else what is beyond."""
    return _difference(_PRINTABLE, excluded) or _difference(_BEYOND, excluded)


def _difference(ranges: Ranges, excluded: Ranges) -> Ranges:
    for low, high in excluded:
        parts = (part for start, end in ranges for part in ((start, min(end, low - 1)), (max(start, high + 1), end)))
        ranges = tuple((start, end) for start, end in parts if start <= end)
    return ranges
