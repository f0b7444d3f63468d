"""Normaliser: the form of a request in which volatile parts are equal, and the values of its own placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tokentape_fake_provider.http.bounded_pattern import bounded_pattern
from tokentape_fake_provider.sessions.matching.ignored_parts import CLASSES, IgnoredParts, VolatileClass
from tokentape_fake_provider.sessions.matching.json_path import without
from tokentape_fake_provider.sessions.matching.machine import Machine
from tokentape_fake_provider.sessions.matching.placeholders import Values, find_values, values_of, with_placeholders
from tokentape_fake_provider.sessions.matching.regions import Region, mapped
from tokentape_fake_provider.sessions.matching.surroundings import surroundings_of, without_surroundings
from tokentape_fake_provider.sessions.matching.volatile import classes_of, ids_in, normal_number, normal_text

_NOTHING: Final = IgnoredParts(())
_CLASS_OF: Final[Mapping[str, VolatileClass]] = {
    "cwd": "cwd",
    "home": "home",
    "home_from_cwd": "home",
    "tmp": "tmp",
    "user": "names",
    "host": "names",
    "email": "names",
    "author": "names",
}
# What identifies a person or a device (the body's own fields are not compared).
_OWNERS: Final = ("metadata", "user", "safety_identifier", "prompt_cache_key", "client_metadata", "session_id")
_ID: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![A-Za-z0-9])"
)
_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}(?![\w-])")
_USUAL: Final[Values] = (("tmp", "/tmp"),)  # noqa: S108 - it is searched for
# A name with underscores, since the text of the whole request had a placeholder of that name.
_RENAMED: Final = re.compile(r"\{\{((?:[a-z]+|home_from_cwd)\d*)_+(?=[}:\[~])")
_SHORTEST_ID: Final = 7


class Named(NamedTuple):
    """The values of a request: what no recording of it may hold, and the ids that an answer may take up from it."""

    own: Values
    ids: Values

    @property
    def all(self) -> Values:
        """All values."""
        return self.own + self.ids


class Normaliser:
    """Normalises requests by its settings, as a program on this machine sends them. It keeps no state."""

    def __init__(self, settings: IgnoredParts, machine: Machine) -> None:
        self.settings = settings
        self.machine = machine
        self._ignored = tuple(map(bounded_pattern, settings.ignore_text))

    @property
    def active(self) -> bool:
        """Whether anything is ignored."""
        return self.settings != _NOTHING

    @property
    def keeps_shape(self) -> bool:
        """Whether two requests of different shapes are never equal."""
        return not self.settings.ignore_path and not self.settings.ignore_text

    def values(self, *bodies: Any) -> Named:
        """What stands for placeholders in the recording of this request, or of what a client sent in turn.

        Beside the machine's folders and names, these are the ids and e-mail addresses in the text of programs: the
        first id is `id1`, whatever its value.
        """
        texts = _texts_of(*bodies)
        own = _numbered("email", _EMAIL, (*texts.owners, *texts.system)) if "names" in self.settings.classes else ()
        ids: Values = ()
        if "ids" in self.settings.classes:
            ids = _numbered("id", _ID, (*texts.owners, *texts.system, *texts.results))
            owners = "\n".join(texts.owners)
            own += tuple(pair for pair in ids if pair[1] in owners)
        known = self._known(texts.system)
        own = known + tuple(pair for pair in own if pair[1] not in dict(known).values())
        return Named(own, tuple(pair for pair in ids if pair not in own))

    def with_placeholders(self, body: Any) -> Any:
        """The body of a request as a recording has it: with placeholders for what belongs to its sender."""
        own = self.values(body).own
        return mapped(body, lambda value, *_: with_placeholders(value, own) if isinstance(value, str) else value)

    def normal(self, body: Any) -> Any:
        """The body of a request with a token for each volatile part; two that differ in no more are equal."""
        classes = self.settings.classes
        known = self._known(_texts_of(body).system)
        if "tmp" in classes:
            known += _USUAL  # what a user calls it, whatever it is here
        ids = _Ids() if "ids" in classes else None

        def change(value: Any, region: Region, key: str) -> Any:
            if not isinstance(value, str):
                return normal_number(value, key, classes) if region is Region.RESULT else value
            text = _RENAMED.sub(r"{{\1", with_placeholders(value, known))
            for pattern in self._ignored:
                text = pattern.removed_from(text)
            if region is Region.ID:
                return text if ids is None else ids.whole(text)
            if region is Region.WORDS:
                return text
            if region is Region.SYSTEM:
                text = without_surroundings(text, classes)
            if ids is not None:
                text = ids.numbered(text)
            return normal_text(text, classes, result=region is Region.RESULT)

        changed = mapped(without(body, self.settings.ignore_path), change)
        return changed if ids is None else ids.everywhere(changed)

    def ignored(self, body: Any, differences: Iterable[tuple[str, Any, Any]]) -> tuple[str, ...]:
        """What was ignored in each field of a request that differs: its path, and the classes: `system: dates, cwd`."""
        found, known = list[str](), self._known(_texts_of(body).system)
        for path, recorded, received in differences:
            classes = self._classes_in(recorded, received, known)
            found.append(f"{path}: {', '.join(classes)}" if classes else path)
        return tuple(found)

    def _classes_in(self, recorded: Any, received: Any, known: Values) -> list[VolatileClass]:
        if not isinstance(recorded, str) or not isinstance(received, str):
            return []
        before, after = recorded.splitlines(), received.splitlines()
        changed = [pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]]
        found = set[VolatileClass]()
        for line in (line for pair in changed for line in pair):
            found |= {_CLASS_OF[one.inner.partition(":")[0]] for one in find_values(line, known)}
            found |= {"ids"} if "ids" in self.settings.classes and ids_in(line) else set()
            found |= classes_of(with_placeholders(line, known), self.settings.classes)
        blocks = [surroundings_of(text, self.settings.classes) for text in (recorded, received)]
        found |= {of for of in CLASSES if blocks[0].get(of) != blocks[1].get(of)}
        return [of for of in CLASSES if of in found]

    def _known(self, texts: Sequence[str]) -> Values:
        """The values of the machine, with the working folder that the texts name, of the classes that are on."""
        classes = self.settings.classes
        machine = self.machine.named_in(texts)
        return tuple(pair for pair in values_of(machine) if _CLASS_OF[pair[0]] in classes)


def _numbered(name: str, pattern: re.Pattern[str], texts: Iterable[str]) -> Values:
    """The distinct matches of a pattern in order, with numbered names."""
    found = dict.fromkeys(value for text in texts for value in _matches(pattern, text))
    return tuple((f"{name}{number}", value) for number, value in enumerate(found, 1))


@lru_cache(maxsize=1024)
def _matches(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    """The matches of a pattern in a text, which an agent sends again and again."""
    return tuple(match.group() for match in pattern.finditer(text))


class _Ids:
    """The ids of one request, numbered in their order: which ones are the same still counts."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def whole(self, text: str) -> str:
        """The token of an id."""
        return self._numbers.setdefault(text, f"<id {len(self._numbers) + 1}>")

    def numbered(self, text: str) -> str:
        """A text with tokens for its ids."""
        parts, at = list[str](), 0
        for start, end in ids_in(text):
            parts += (text[at:start], self.whole(text[start:end]))
            at = end
        return "".join((*parts, text[at:]))

    def everywhere(self, value: Any) -> Any:
        """A body with tokens also where the user or the model repeats an id."""
        distinct = sorted((text for text in self._numbers if len(text) >= _SHORTEST_ID), key=len, reverse=True)
        if not distinct:
            return value
        pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, distinct))})(?![A-Za-z0-9])")
        return mapped(
            value,
            lambda item, region, _: (
                pattern.sub(lambda match: self._numbers[match.group()], item)
                if region is Region.WORDS and isinstance(item, str)
                else item
            ),
        )


class _Texts(NamedTuple):
    """The texts of a request that programs wrote: what identifies the sender, the system's, the results of tools."""

    owners: list[str]
    system: list[str]
    results: list[str]


def _texts_of(*bodies: Any) -> _Texts:
    texts = _Texts([], [], [])

    def collect(value: Any, region: Region, _: str) -> Any:
        if isinstance(value, str) and region in (Region.SYSTEM, Region.RESULT):
            (texts.system if region is Region.SYSTEM else texts.results).append(value)
        return value

    for body in bodies:
        mapped(body, collect)
        if isinstance(body, Mapping):
            for name in _OWNERS:
                texts.owners.extend(_strings(body.get(name)))
    return texts


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for item in items for text in _strings(item)]
