"""Placeholders: `{{cwd}}` stands for a working folder, so that a recording fits another machine, and is put back there.

A text that already has `{{cwd}}` is no problem: then the name gets an underscore, `{{cwd_}}`, until nothing has it. A
value that is spread over the events of a stream is one placeholder for each part, a slice as in Python: `{{cwd[:5]}}`
and `{{cwd[5:]}}`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote

from tokentape_fake_provider.sessions.matching.machine import Machine

Values: TypeAlias = tuple[tuple[str, str], ...]
"""The values of one machine and request by the names of their placeholders, such as `("cwd", "/srv/app")`."""

_FOLDERS: Final = ("cwd", "home", "tmp", "home_from_cwd")


def _ascii(value: str) -> str:
    return "".join(char if char.isascii() else "".join(f"\\u{unit:04x}" for unit in _units(char)) for char in value)


def _units(char: str) -> Iterable[int]:
    data = char.encode("utf-16-be", "surrogatepass")
    return (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


_SPELLINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "": str,
    ":ascii": _ascii,
    ":ascii2": lambda value: _ascii(value).replace("\\", "\\\\"),
    ":slash": lambda value: value.replace("/", "\\/"),
    ":slash2": lambda value: value.replace("/", "\\\\/"),
    ":url": lambda value: quote(value, safe=""),
    ":path": quote,
    # The names that coding agents give to a project's folder among their own files.
    ":name": lambda value: value.rpartition("/")[2],
    ":dash": lambda value: re.sub(r"[^A-Za-z0-9]", "-", value),
}
ESCAPES: Final[Mapping[str, Callable[[str], str]]] = {
    "": str,
    "~": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "~~": lambda text: json.dumps(text)[1:-1],
}
"""How JSON around a part of a value writes it, where it is not the part itself."""
_AFTER_NAME: Final = ("}", ":", "[", "~")
# A folder begins a path: after no part of a name, but after `file://`, an option such as -I, or an escaped line end.
_BEFORE_PATH: Final = r"(?:(?<![\w.~/\\<-])|(?<=file://)|(?<=[\s\"'=]-[A-Z])|(?<=\\[nrtbf\"]))"
_AFTER_PATH: Final = r"(?![\w@~+-]|\.\w)"
_BEFORE_WORD: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf\"]))"
_AFTER_WORD: Final = r"(?![A-Za-z0-9])"
# A user's name may be an ordinary word: it counts only where a name of a user stands.
_BEFORE_USER: Final = (
    r"(?:(?<=/home/)|(?<=/Users/)|(?<=user: )|(?<=User: )|(?<=USER=)|(?<=LOGNAME=)|(?<=USERNAME=)|(?<=user=)"
    r"|(?<=username: )|(?<=Username: )|(?<=whoami: ))"
)
# So may that of a machine, and the only name of an author.
_BEFORE_HOST: Final = (
    r"(?:(?<=[hH]ost: )|(?<=[hH]ostname: )|(?<=HOST=)|(?<=HOSTNAME=)|(?<=hostname=)|(?<=host=)|(?<=Linux )|(?<=Darwin )"
    r"|(?<=[\w.-]@))"
)
_BEFORE_AUTHOR: Final = (
    r"(?:(?<=[aA]uthor: )|(?<=[cC]ommitter: )|(?<=[gG]it user: )|(?<=[gG]it author: )|(?<=user\.name=)|(?<=user\.name )"
    r"|(?<=AUTHOR_NAME=)|(?<=COMMITTER_NAME=))"
)
_NAMES_OF_MANY: Final = frozenset(
    ("localhost", "localhost.localdomain", "host", "docker", "runner", "ubuntu", "debian")
)


class Found(NamedTuple):
    """A value in a text: its place, and what the placeholder for it holds."""

    start: int
    end: int
    inner: str

    def placeholder(self, names: Mapping[str, str], first: int = 0, last: int | None = None, escapes: str = "") -> str:
        """The placeholder for the characters `first` to `last` of the value, all by default, with these `ESCAPES`.

        `names` are those of `free_names`.
        """
        name, colon, spelling = self.inner.partition(":")
        whole = not first and (last is None or last >= self.end - self.start)
        end = "" if last is None or last >= self.end - self.start else str(last)
        part = "" if whole else f"[{first or ''}:{end}]"
        return f"{{{{{names[name]}{colon}{spelling}{escapes}{part}}}}}"


def values_of(machine: Machine) -> Values:
    """The values of a machine that recordings must not hold."""
    values = machine._asdict()
    if machine.cwd and machine.home and (way := os.path.relpath(machine.home, machine.cwd)).startswith(".."):
        values["home_from_cwd"] = way
    return tuple((name, value) for name, value in values.items() if value and _is_distinct(name, value))


def _is_distinct(name: str, value: str) -> bool:
    match name:
        case "host":
            return len(value) > 2 and value not in _NAMES_OF_MANY
        case "email":
            return "@" in value
        case "user":
            return len(value) > 1 and value != "root"
        case "author":
            return len(value) > 1 and not set(value) & set('"\\{}\n')
        case _:
            return True


def find_values(text: str, values: Values) -> list[Found]:
    """The values in a text, in order; of two that begin at the same place, the longer one."""
    hits = list[Found]()
    for hint, spelled in _searched(values):
        if hint not in text:
            continue
        for written, bounded, inner in spelled:
            at = text.find(written)
            while at >= 0:
                if bounded.match(text, at):
                    hits.append(Found(at, at + len(written), inner))
                at = text.find(written, at + 1)
    own, found, end = _own_folder(values) if hits else None, list[Found](), 0
    for one in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if one.start < end:
            continue
        found.append(one)
        end = one.end
        if own is not None and one.inner in ("home", "tmp") and (below := own.match(text, end)):
            found.append(Found(*below.span("name"), "cwd:name"))
            end = below.end()
    return found


def with_placeholders(text: str, values: Values) -> str:
    """A text with placeholders in place of the values."""
    found = find_values(text, values)
    names = free_names(text, values) if found else {}
    parts, at = list[str](), 0
    for one in found:
        parts += (text[at : one.start], one.placeholder(names))
        at = one.end
    return "".join((*parts, text[at:]))


def free_names(text: str, values: Values) -> dict[str, str]:
    """The name of each value in placeholders: with underscores until the text has no such placeholder yet."""
    names = {name: name for name, _ in values}
    if "{{" in text:
        for name in names:
            while any(f"{{{{{names[name]}{after}" in text for after in _AFTER_NAME):
                names[name] += "_"
    return names


def placeholder_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """The placeholders with these names."""
    return _placeholder_pattern(tuple(names))


def value_of(match: re.Match[str], values: Mapping[str, str]) -> str:
    """What stands for a match of `placeholder_pattern` here; the placeholder itself if there is no value for it."""
    value = values.get(match["name"].rstrip("_"))
    if value is None or (spelling := match["spelling"] or "") not in _SPELLINGS:
        return match.group()
    first, last = match["first"], match["last"]
    part = _SPELLINGS[spelling](value)[int(first) if first else None : int(last) if last else None]
    return ESCAPES[match["escapes"]](part)


def with_values(text: str, names: Iterable[str], values: Values) -> str:
    """A text with the values in place of the placeholders with these names."""
    known = dict(values)
    return placeholder_pattern(names).sub(lambda match: value_of(match, known), text)


@lru_cache(maxsize=256)
def _own_folder(values: Values) -> re.Pattern[str] | None:
    """The folder that a coding agent keeps for a project below its own, named as the working folder is."""
    name = dict(values).get("cwd", "").rpartition("/")[2]
    if not name:
        return None
    folders = r"/\.[\w-]+/(?:tmp|projects|workspaces?|sessions|history)/"
    return re.compile(rf"{folders}(?P<name>{re.escape(name)})(?![\w.-])")


@lru_cache(maxsize=64)
def _placeholder_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or r"(?!)"
    return re.compile(
        rf"\{{\{{(?P<name>{alternatives})(?P<spelling>:\w+)?(?P<escapes>~{{0,2}})"
        r"(?:\[(?P<first>\d*):(?P<last>\d*)\])?\}\}"
    )


class _Spelled(NamedTuple):
    """A spelling of a value, a pattern for it with what may stand around it, and what its placeholder holds."""

    written: str
    bounded: re.Pattern[str]
    inner: str


@lru_cache(maxsize=256)
def _searched(values: Values) -> tuple[tuple[str, tuple[_Spelled, ...]], ...]:
    """The spellings of each value, after a text that each of them has."""
    known, found = set[str](), list[tuple[str, tuple[_Spelled, ...]]]()
    for name, value in values:
        spelled = list[_Spelled]()
        for spelling, write in _SPELLINGS.items():
            short = spelling == ":name" or (spelling == ":dash" and value.count("/") < 2)
            written = write(value)
            if written in known or (spelling and (short or name not in _FOLDERS)):
                continue
            known.add(written)
            spelled.append(_Spelled(written, re.compile(_bounded(name, written)), name + spelling))
        # Every spelling keeps letters and digits.
        found.append((max(re.findall(r"[A-Za-z0-9]+", value) or [""], key=len), tuple(spelled)))
    return tuple(found)


def _bounded(name: str, text: str) -> str:
    written = re.escape(text)
    if not text.strip("./"):
        # Where the home holds the working folder: dots alone are any relative path, unless a hidden folder follows.
        return rf"{_BEFORE_PATH}{written}(?=/\.\w)"
    if name in _FOLDERS and text.startswith(("/", "\\", ".")):
        return f"{_BEFORE_PATH}{written}{_AFTER_PATH}"
    if name == "user":
        return f"(?:{_BEFORE_USER}{written}{_AFTER_WORD}|{_BEFORE_WORD}{written}(?=@[\\w-]))"
    if name == "host" and (len(text) < 5 or not re.search(r"[\d.-]", text)):
        return f"{_BEFORE_HOST}{written}{_AFTER_WORD}"
    if name == "author" and " " not in text:
        return f"(?:{_BEFORE_AUTHOR}{written}{_AFTER_WORD}|{_BEFORE_WORD}{written}(?= <[\\w.+-]+@))"
    return f"{_BEFORE_WORD}{written}{_AFTER_WORD}"
