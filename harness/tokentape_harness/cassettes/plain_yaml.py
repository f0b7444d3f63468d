"""Plain YAML: the part of YAML that most cassettes consist of, read and written many times faster than by PyYAML.

It is block mappings and lists, numbers, texts of one line, and literal blocks. What it reads and writes is what PyYAML
would; the rest is left to PyYAML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final, TypeVar

import yaml

# A line: its margin, maybe the dash of an item, maybe a key, and a value.
_KEY: Final = r"[A-Za-z][A-Za-z0-9_-]{0,99}"
_LINE: Final = re.compile(rf"( *)(- )?(?:({_KEY}):(?: |$))?(.*)\n", re.MULTILINE)
_BLOCK: Final = re.compile(r"\|(2?)([-+]?)")
_QUOTED: Final = re.compile(r"'([^']*(?:''[^']*)*)'")
# A text that needs no quotes: no indicator begins it, and no ": " or " #" is in it.
_UNQUOTED: Final = re.compile(r"[^ ,\[\]{}#&*!|>'\"%@`][ -~]*(?<! )")
_INDICATOR: Final = re.compile(r":(?: |\Z)| #|\A(?:[-?](?: |\Z)|---|\.\.\.|[^ -~])")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(\.\d{1,15})?")
_ASCII: Final = bytes((*b"\t\n", *range(0x20, 0x7F)))
_WIDEST = 40
_SHORT = 200
_RESOLVERS: Final[Mapping[str, list[tuple[str, re.Pattern[str]]]]] = yaml.SafeLoader.yaml_implicit_resolvers


Result = TypeVar("Result")


class _OtherError(Exception):
    """This is not plain."""


def _remembered(function: Callable[[str], Result]) -> Callable[[str], Result]:
    """Remember the results for short texts; a long one, such as a body, does not stay in memory."""
    remembered = lru_cache(maxsize=4096)(function)
    return lambda text: remembered(text) if len(text) <= _SHORT else function(text)


@cache
def not_printable() -> re.Pattern[str]:
    """What a literal block can't hold: all but YAML's printable characters (1.1, 4.1), the other line breaks (CR, NEL,
    LS, PS) and the byte order mark."""
    return re.compile(
        "[^\\t\\n\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
    )


def is_printable(text: str) -> bool:
    """Whether a literal block can hold the text."""
    return not (text.encode().translate(None, _ASCII) if text.isascii() else not_printable().search(text))


def read(data: bytes) -> Any:
    """The document in a file; `None` if it is not plain."""
    try:
        text = data.decode()
        return _Reader(text).document() if text.endswith("\n") and is_printable(text) else None
    except (UnicodeDecodeError, _OtherError):
        return None


def write(value: Any, margin: str = "") -> str | None:
    """The lines of a mapping or list of texts, numbers and more such values; `None` if it is not plain."""
    try:
        return "".join(_lines(value, margin))
    except _OtherError:
        return None


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = _LINE.match(text)
        """The line at this place; `None` at the end."""

    def document(self) -> Any:
        found = self._mapping(0, behind_dash=False)
        if self._line is not None:
            raise _OtherError
        return found

    def _go(self, at: int) -> None:
        self._at, self._line = at, _LINE.match(self._text, at)

    def _mapping(self, column: int, *, behind_dash: bool) -> dict[str, Any]:
        """The mapping at this column; its first line may be behind the dash of an item."""
        found: dict[str, Any] = {}
        keys = 0
        while (line := self._line) is not None and (
            behind_dash or (line[2] is None and line.end(1) - line.start() == column)
        ):
            if not line[4] and not behind_dash and (several := _single_items(column).match(self._text, self._at)):
                pairs = _single_item(column).findall(self._text, self._at, several.end())
                keys += len(pairs)
                found.update((_key(key), [_scalar(value)]) for key, value in pairs)
                self._go(several.end())
                continue
            behind_dash = False
            keys += 1
            key, written = _key(line[3]), line[4]
            self._go(line.end())
            found[key] = self._value(written, column)
        if not found or len(found) < keys or (line is not None and len(line[1]) > column):
            raise _OtherError
        return found

    def _value(self, written: str, column: int) -> Any:
        """The value behind a key at this column."""
        if written:
            return self._block(written, column) if written[0] == "|" else _scalar(written)
        line = self._line
        if line is None or column > _WIDEST:
            raise _OtherError
        if line[2] is not None and len(line[1]) == column:
            return self._list(column)
        if line[2] is None and len(line[1]) == column + 2:
            return self._mapping(column + 2, behind_dash=False)
        raise _OtherError

    def _list(self, column: int) -> list[Any]:
        found = list[Any]()
        while (line := self._line) is not None and line[2] is not None and len(line[1]) == column:
            if line[3] is None:
                found.append(_scalar(line[4]))
                self._go(line.end())
            else:
                found.append(self._mapping(column + 2, behind_dash=True))
        return found

    def _block(self, header: str, column: int) -> str:
        match = _BLOCK.fullmatch(header)
        if match is None:
            raise _OtherError
        begin = self._at
        if match[1]:
            margin = column + 2
        else:
            text = self._text
            margin = next((at for at in range(begin, len(text)) if text[at] != " "), begin) - begin
            if margin <= column or text[begin + margin] in "\t\n":
                raise _OtherError
        last = _end_of_block(margin).search(self._text, begin - 1)
        self._go(len(self._text) if last is None else last.end())
        lines = self._text[begin - 1 : self._at].replace("\n" + " " * margin, "\n")[1:]
        ended = lines.rstrip("\n")
        if not ended:
            raise _OtherError
        return lines if match[2] == "+" else ended if match[2] == "-" else f"{ended}\n"


@cache
def _single_items(margin: int) -> re.Pattern[str]:
    """Lines with this margin, of keys that each have a list of one text, as headers do."""
    return re.compile(rf"(?: {{{margin}}}{_KEY}:\n {{{margin}}}- (?!{_KEY}:[ \n]).*\n(?! {{{margin}}}- ))+")


@cache
def _single_item(margin: int) -> re.Pattern[str]:
    return re.compile(rf" {{{margin}}}({_KEY}):\n {{{margin}}}- (.*)\n")


def _key(written: str | None) -> str:
    if written is None or _unquoted(written) != written:
        raise _OtherError
    return written


@cache
def _end_of_block(margin: int) -> re.Pattern[str]:
    """The line break before the first line that is neither empty nor has this margin."""
    return re.compile(rf"\n(?!\n| {{{margin}}})")


@_remembered
def _unquoted(written: str) -> str | int | float:
    """The value of a scalar without quotes."""
    if _UNQUOTED.fullmatch(written) is None or _INDICATOR.search(written):
        raise _OtherError
    if any(pattern.match(written) for _, pattern in _RESOLVERS.get(written[0], ())):
        number = _NUMBER.fullmatch(written)
        if number is None:
            raise _OtherError
        return float(written) if number[1] else int(written)
    return written


def _scalar(written: str) -> str | int | float | list[Any] | dict[str, Any]:
    if written[:1] == "'":
        quoted = _QUOTED.fullmatch(written)
        if quoted is None:
            raise _OtherError
        return quoted[1].replace("''", "'")
    match written:
        case "[]":
            return []
        case "{}":
            return {}
        case _:
            return _unquoted(written)


def _lines(value: Any, margin: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if not isinstance(key, str) or len(key) > 100:
                raise _OtherError
            name = f"{margin}{_written(key)}:"
            if isinstance(item, dict | list) and item:
                yield f"{name}\n"
                yield from _lines(item, margin if isinstance(item, list) else f"{margin}  ")
            else:
                yield f"{name} {_written(item)}\n"
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, dict | list):
                raise _OtherError
            yield f"{margin}- {_written(item)}\n"
    else:
        raise _OtherError


def _written(value: Any) -> str:
    """A scalar as PyYAML writes it."""
    kind = type(value)
    if kind is str:
        return _written_text(value)
    if kind is int or (kind is float and _NUMBER.fullmatch(repr(value))):
        return repr(value)
    raise _OtherError


@_remembered
def _written_text(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise _OtherError
    try:
        if _unquoted(text) == text:
            return text
    except _OtherError:
        pass
    return "'" + text.replace("'", "''") + "'"
