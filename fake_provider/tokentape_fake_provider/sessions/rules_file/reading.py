"""Read a rules file from its document: the structs, or all of its problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import FakeProviderError, FaultError
from tokentape_fake_provider.sessions.queue_item import QueueEntry
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.rules_file.model import RulesFile
from tokentape_fake_provider.sessions.rules_file.problem import Path, Problem
from tokentape_fake_provider.sessions.rules_file.schema import rules_schema
from tokentape_fake_provider.sessions.rules_file.structure import Structure
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.settings_change import SettingsChange
from tokentape_fake_provider.timing import Profile, parse_timing

ReadProfile = Callable[[str], Profile]
"""Reads the file of `profile:FILE`. Raises an error whose text says what is wrong."""

SECTIONS: Final = ("settings", "rules", "queue", "cassettes", "sessions")
"""The fields of a rules file, which no other file has."""
_PLACE: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_EXACT: Final = 2**53


def is_rules_document(document: Any) -> bool:
    """Whether a document is meant as a rules file: one of its fields is one of theirs."""
    return isinstance(document, Mapping) and any(name in document for name in SECTIONS)


def read_rules(document: Any, read_profile: ReadProfile | None = None) -> RulesFile | list[Problem]:
    """The rules file, or all its problems in the order of the document.

    Of each rule, item of a queue and setting the first problem of what its fields mean together is reported, and all
    those of their names and types.
    """
    found = list(Structure(rules_schema()).problems(document))
    whole = ""
    if not found:
        try:
            return _decoded(document, read_profile)
        except (msgspec.ValidationError, FakeProviderError, ValueError, OSError) as error:
            whole = str(error)  # the places are searched part by part
    broken = [problem.path for problem in found]
    for prefix, setup in _setups(document):
        for path, kind, value in _units(prefix, setup):
            if not any(other[: len(path)] == path for other in broken):
                found += _meaning(path, kind, value, read_profile)
    return found or [Problem((), whole)]


def _decoded(document: Any, read_profile: ReadProfile | None) -> RulesFile:
    """The structs of a document. Raises what they raise."""
    content: RulesFile = msgspec.json.decode(_encoded(_with_profiles(document, read_profile)), type=RulesFile)
    for setup in (content, *content.sessions.values()):
        setup.settings.applied(SessionSettings())
    return content


def _setups(document: Any) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The setup of each session, with its path."""
    if not isinstance(document, Mapping):
        return
    yield (), document
    sessions = document.get("sessions")
    if isinstance(sessions, Mapping):
        yield from ((("sessions", name), setup) for name, setup in sessions.items() if isinstance(setup, Mapping))


def _units(prefix: Path, setup: Mapping[str, Any]) -> Iterator[tuple[Path, Any, Any]]:
    """What is read by itself: each setting, each rule, each item of the queue."""
    settings = setup.get("settings")
    if isinstance(settings, Mapping):
        yield from (((*prefix, "settings", name), SettingsChange, value) for name, value in settings.items())
    for section, kind in (("rules", Rule), ("queue", QueueEntry)):
        items = setup.get(section)
        if isinstance(items, list):
            yield from (((*prefix, section, number), kind, value) for number, value in enumerate(items))


def _meaning(path: Path, kind: Any, value: Any, read_profile: ReadProfile | None) -> Iterator[Problem]:
    """The first problem of what the fields mean."""
    change = kind is SettingsChange
    if change:
        value, path = {path[-1]: value}, path[:-1]
    try:
        if change and isinstance(timing := value.get("timing"), str):
            value = {"timing": parse_timing(timing, read_profile=read_profile)}
        content = msgspec.json.decode(_encoded(value), type=kind)
        if change:
            content.applied(SessionSettings())
    except msgspec.ValidationError as error:
        what, at, where = str(error).rpartition(" - at `")
        what, where = (what, where.removesuffix("`")) if at else (where, "")
        if isinstance(error.__cause__, FaultError):
            where = f"{where}.faults{error.__cause__.where}"
        yield Problem(_named((*path, *_path(where)), what, value if not change else {}), what)
    except FaultError as error:
        yield Problem((*path, "faults", *_path(error.where)), str(error))
    except (FakeProviderError, ValueError, OSError) as error:
        yield Problem((*path, *(value if change else ())), str(error))


def _path(where: str) -> Path:
    return tuple(int(number) if number else name for name, number in _PLACE.findall(where))


def _named(path: Path, what: str, value: Any) -> Path:
    """The path of the field that a message begins with, where it has one."""
    match = re.match(r"`(\w+)`", what)
    return (*path, match[1]) if match and isinstance(value, Mapping) and path[-1:] != (match[1],) else path


def _with_profiles(document: Any, read_profile: ReadProfile | None) -> Any:
    """The document with the content of the profiles that its settings name."""
    if read_profile is None or not isinstance(document, Mapping):
        return document
    changed = dict(document)
    settings = document.get("settings")
    if isinstance(settings, Mapping) and isinstance(timing := settings.get("timing"), str):
        changed["settings"] = {**settings, "timing": parse_timing(timing, read_profile=read_profile)}
    if isinstance(sessions := document.get("sessions"), Mapping):
        changed["sessions"] = {name: _with_profiles(setup, read_profile) for name, setup in sessions.items()}
    return changed


def _encoded(value: Any) -> bytes:
    """The value as JSON; a number such as 2.0 is a whole one, as JSON Schema has it."""
    return msgspec.json.encode(_whole(value))


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)
        case dict():
            return {name: _whole(member) for name, member in value.items()}
        case list():
            return [_whole(member) for member in value]
    return value
