"""JSON text: the places of its values, so that one can be replaced and every other byte kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from tokentape_fake_provider.sessions.matching.json_path import Key, Path

# A string may be cut off, since a stream can break inside an event. Other text is skipped, such as the field name of
# each further data line of an SSE event.
_TOKEN = re.compile(r'"((?:[^"\\\n]++|\\.)*+)"?|[{}\[\],:]|-?\d[\d.eE+-]*+|true|false|null')
# Each unit inside a string is one character of its value.
_UNIT = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
# The most names of a path that are kept, the innermost ones.
_DEEPEST = 100


class Leaf(NamedTuple):
    """A string or number: its value, its place in the text without the quotes, and its path.

    `group` is equal for leaves that continue each other in later events: the names on the path with the indexes and
    types of choices and blocks, but not the position in an array.
    """

    value: str
    start: int
    end: int
    path: Path
    group: tuple[str, ...]
    is_string: bool


class _Container:
    __slots__ = ("is_list", "key", "labels", "member", "parent", "wants_key")

    def __init__(self, parent: _Container | None, key: Key, is_list: bool) -> None:
        self.parent = parent
        self.key = key
        self.is_list = is_list
        self.member: Key = 0 if is_list else ""
        self.wants_key = not is_list
        self.labels: list[str] = []


def leaves(text: str, start: int = 0) -> list[Leaf]:
    """The strings and numbers of a JSON document in `text`, in order; a damaged one gives those that it has."""
    found: list[tuple[re.Match[str], str, _Container | None, Key]] = []
    current: _Container | None = None
    for match in _TOKEN.finditer(text, start):
        token = match.group()
        first = token[0]
        if first in "{[":
            member: Key = "" if current is None else current.member
            current = _Container(current, member, first == "[")
        elif first in "}]":
            current = None if current is None else current.parent
        elif first == ",":
            if current is not None:
                if current.is_list:
                    current.member = int(current.member) + 1
                else:
                    current.wants_key = True
        elif first == ":":
            if current is not None:
                current.wants_key = False
        elif first == '"':
            value = _value(match.group(1))
            if current is not None and current.wants_key:
                current.member = value
                continue
            found.append((match, value, current, "" if current is None else current.member))
            if current is not None and current.member == "type":
                current.labels.append(value)
        elif first not in "tfn":
            found.append((match, token, current, "" if current is None else current.member))
            if current is not None and isinstance(current.member, str) and current.member.lower().endswith("index"):
                current.labels.append(f"{current.member}={token}")
    return [_leaf(*item) for item in found]


class StringGroup(NamedTuple):
    """Strings that continue each other, and the path of the first."""

    path: Path
    values: list[str]


class JsonStrings(NamedTuple):
    """The strings of JSON texts by their groups, and the distinct parts between the quotation marks of all texts.

    Parts that differ from others in numbers only may be missing.
    """

    groups: list[StringGroup]
    parts: set[str]


_Found: TypeAlias = dict[tuple[str, ...], dict[str, StringGroup]]
_Strings: TypeAlias = tuple[list[str], str | None]


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


# Objects become tuples of their members, so that a repeated name keeps both its values.
_decode: Any = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=_Number, parse_float=_Number, parse_constant=lambda _: None
).raw_decode
_AFTER = " \t\r\n,]"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NO_DIGITS = dict.fromkeys(b"0123456789")


def json_strings(texts: Iterable[str], start_of: Callable[[str], int]) -> JsonStrings | None:
    """The strings of `leaves` in each text from its start, by their groups, many times faster, but not their places.

    `None` if a text is not JSON as a parser wants it, or nested too deep.
    """
    found: _Found = {}
    distinct = set[str]()
    shape: _Shape | None = None
    rows: list[list[str]] = []  # the strings in which the last texts differ from their shape
    before, form_before, seam = "", "", list[str]()
    try:
        for text in texts:
            if shape is not None and (row := shape.row(text)) is not None:
                if not rows:
                    distinct.add("".join((*seam, shape.first)))
                    seam = [shape.last]
                rows.append(row)
                continue
            if shape is not None and rows:
                shape.add(rows)
                rows = []
            parts = text.split('"')
            seam.append(parts[0])
            if len(parts) > 1:
                distinct.add("".join(seam))
                seam = parts[-1:]
            distinct.update(parts[1:-1])
            start = start_of(text)
            if start == len(text):
                continue
            value, end = _decode(text, start)
            if text[end:].strip(_AFTER):
                return None
            _collect((("", value),) if value.__class__ is str else value, (), (), found, 0)
            # Most events of a stream have one shape, which is worth it from the second on.
            form = "" if "\\" in text or len(parts) == 1 else '"'.join(parts[::2]).translate(_NO_DIGITS)
            if form and form == form_before:
                shape = _shape_of(before, text, leaves(text, start), found)
            before, form_before = text, form
    except (ValueError, RecursionError):
        return None
    if shape is not None and rows:
        shape.add(rows)
    distinct.add("".join(seam))
    groups = [group for members in found.values() for group in members.values()]
    return JsonStrings(groups, distinct.union(*(group.values for group in groups)))


class _Shape:
    """What JSON texts without escapes have in common: all but some of their strings and numbers.

    `strings` are the values of the group of each string, with the string itself if the texts have it in common. `rest`
    follows `first`: whether a string or a number comes next, and the text after it.
    """

    def __init__(self, first: str, rest: Sequence[tuple[bool, str]], strings: Sequence[_Strings]) -> None:
        self._begin, self._rest, self._strings = first, rest, strings
        self.first = first.partition('"')[0]
        self.last = (rest[-1][1] if rest else first).rpartition('"')[2]

    def row(self, text: str) -> list[str] | None:
        """The strings in which a text differs from others of this shape; `None` if it has another."""
        if not text.startswith(self._begin):
            return None
        at, strings = len(self._begin), list[str]()
        for is_string, after in self._rest:
            if is_string:
                end = text.find('"', at)
                strings.append(string := text[at:end])
                if "\\" in string or "\n" in string:
                    return None
            else:
                number = _NUMBER.match(text, at)
                end = -1 if number is None else number.end()
            if end < 0 or not text.startswith(after, end):
                return None
            at = end + len(after)
        return strings if at == len(text) else None

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Add the strings of texts of this shape to their groups."""
        columns = zip(*rows, strict=True)
        for values, common in self._strings:
            values.extend(next(columns) if common is None else [common] * len(rows))


def _shape_of(before: str, text: str, here: Sequence[Leaf], found: _Found) -> _Shape | None:
    """The shape of a text with these leaves, of which those vary that another text of its form has otherwise.

    `None` if one of them decides the groups.
    """
    fixed, kinds, strings = list[str](), list[bool](), list[_Strings]()
    begin = at = at_before = 0
    for leaf in here:
        start = at_before + leaf.start - at
        number = None if leaf.is_string else _NUMBER.match(before, start)
        at_before = before.find('"', start) if number is None else number.end()
        at = leaf.end
        varies = before[start:at_before] != leaf.value
        if varies:
            name = str(leaf.path[-1])
            if name == "type" if leaf.is_string else name.lower().endswith("index"):
                return None
            fixed.append(text[begin : leaf.start])
            kinds.append(leaf.is_string)
            begin = leaf.end
        if leaf.is_string:
            strings.append((found[leaf.group[1:]][leaf.group[0]].values, None if varies else leaf.value))
    first, *after = (*fixed, text[begin:])
    return _Shape(first, list(zip(kinds, after, strict=True)), strings)


def _collect(container: Any, path: Path, outer: tuple[str, ...], found: _Found, depth: int) -> None:
    """Add the strings of an object, as a tuple of its members, or of a list."""
    if depth >= _DEEPEST:
        raise RecursionError
    strings, inner, labels = list[tuple[Key, str]](), list[tuple[Key, Any]](), list[str]()
    is_list = container.__class__ is list
    for key, item in enumerate(container) if is_list else container:
        kind = item.__class__
        if kind is str:
            strings.append((key, item))
            if key == "type":
                labels.append(item)
        elif kind is tuple or kind is list:
            inner.append((key, item))
        elif kind is _Number and str(key).lower().endswith("index"):
            labels.append(f"{key}={item}")
    group = (*labels, *outer)
    if strings:
        members = found.setdefault(group, {})
        for key, value in strings:
            name = "" if is_list else str(key)
            if name in members:
                members[name].values.append(value)
            else:
                members[name] = StringGroup((*path, key), [value])
    for key, item in inner:
        _collect(item, (*path, key), ("" if is_list else str(key), *group), found, depth + 1)


def unit_span(text: str, leaf: Leaf, start: int, end: int) -> tuple[int, int]:
    """The place in the text of the characters from `start` to `end` of a string's value."""
    raw = text[leaf.start : leaf.end]
    if "\\" not in raw:
        return leaf.start + start, leaf.start + end
    ends = [0, *(match.end() for match in _UNIT.finditer(raw))]
    return leaf.start + ends[min(start, len(ends) - 1)], leaf.start + ends[min(end, len(ends) - 1)]


def _leaf(match: re.Match[str], value: str, container: _Container | None, member: Key) -> Leaf:
    is_string = match.start(1) >= 0
    begin, end = match.span(1) if is_string else match.span()
    path: list[Key] = [member]
    group: list[str] = [str(member) if isinstance(member, str) else ""]
    for _ in range(_DEEPEST):
        if container is None:
            break
        group += container.labels
        if container.parent is not None:
            path.append(container.key)
            group.append(str(container.key) if isinstance(container.key, str) else "")
        container = container.parent
    return Leaf(value, begin, end, tuple(reversed(path)), tuple(group), is_string)


def _value(inside: str) -> str:
    if "\\" not in inside:
        return inside
    return "".join(_unescaped(match.group()) for match in _UNIT.finditer(inside))


def _unescaped(unit: str) -> str:
    if unit[0] != "\\" or len(unit) == 1:
        return unit
    try:
        return str(json.loads(f'"{unit}"'))
    except ValueError:
        return unit[1:2]
