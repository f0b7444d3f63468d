"""A rules file on disk: what it is, its content, and its problems with their places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from tokentape_fake_provider.sessions.rules_file import Problem, RulesFile, SessionSetup, is_rules_document, read_rules
from tokentape_fake_provider.sessions.rules_file.problem import Path as DocumentPath
from tokentape_fake_provider.sessions.rules_file.reading import SECTIONS
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION
from tokentape_fake_provider.timing import Profile
from tokentape_harness.errors import CassetteFormatError, CassetteSyntaxError, FileProblem, RulesFileError
from tokentape_harness.served_files.rules_files.document import Document, Place, TextProblem
from tokentape_harness.served_files.rules_files.parser import parse_document

Kind: TypeAlias = Literal["rules", "cassette", "other"]
SUFFIXES: Final = (".yaml", ".yml", ".json", ".toml")

_LARGEST: Final = 2**26
# Keys of the document itself: in YAML written as blocks they begin their lines; vcrpy's JSON begins with its one.
_CASSETTE_KEY: Final = re.compile(rb"""(?m)^(?:["']?interactions["']?\s*:|\s*\{\s*"interactions"\s*:)""")
_RULES_KEY: Final = re.compile(rb"(?m)^[\"']?(?:" + "|".join(SECTIONS).encode() + rb")[\"']?\s*:")


class PlacedRules(NamedTuple):
    """A rules file that was read, and where everything in it is."""

    path: Path
    rules: RulesFile
    document: Document

    @property
    def setups(self) -> Mapping[str, SessionSetup]:
        """What each session gets, by its id."""
        return {DEFAULT_SESSION: self.rules, **self.rules.sessions}

    @property
    def cassettes(self) -> Mapping[str, Sequence[tuple[DocumentPath, Path]]]:
        """The paths of cassettes and their folders that each session gets, with their places in the document."""
        return {
            name: [
                ((*self.prefix(name), "cassettes", number), self.path.parent / cassette)
                for number, cassette in enumerate(setup.cassettes)
            ]
            for name, setup in self.setups.items()
        }

    @property
    def all_cassettes(self) -> Iterator[Path]:
        """The same paths of all sessions."""
        return (path for paths in self.cassettes.values() for _, path in paths)

    def prefix(self, session: str) -> DocumentPath:
        """The place of a session's setup in the document."""
        return () if session == DEFAULT_SESSION else ("sessions", session)

    def problem(self, place: DocumentPath, what: str, do: str) -> FileProblem:
        """A problem at this place in the document."""
        return _placed(self.path, self.document, Problem(place, what, do))


def kind_of(path: Path, data: bytes) -> Kind:
    """What a file is by its content: a cassette has `interactions`, a rules file one of its own fields.

    A text that can't be parsed is a rules file if it seems to have such a field, else something other.
    """
    if path.suffix != ".toml" and _CASSETTE_KEY.search(data):
        return "other" if _RULES_KEY.search(data) else "cassette"
    try:
        document = parse_document(data, path.suffix).value
    except TextProblem:
        if b"interactions" in data and path.suffix != ".toml":
            return "cassette"
        named = "|".join(SECTIONS).encode()
        return "rules" if re.search(rb"(?m)^\W*(?:" + named + rb")\b[\"']?\s*[:=\]]", data) else "other"
    if isinstance(document, Mapping) and "interactions" in document:
        return "cassette"
    return "rules" if is_rules_document(document) else "other"


def load_rules(path: Path) -> PlacedRules:
    """Read a rules file. Raises `RulesFileError` with all its problems."""
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGEST else None
    except OSError as error:
        raise _error(path, f"can't be read ({error.strerror or error})", "check the path") from None
    if data is None:
        raise _error(path, "larger than any rules file", "split it")
    return parse_rules(path, data)


def parse_rules(path: Path, data: bytes) -> PlacedRules:
    """The content of a rules file. Raises `RulesFileError` with all its problems, in the order of the file.

    A profile that `timing` names is read from beside the file.
    """
    try:
        document = parse_document(data, path.suffix)
    except TextProblem as problem:
        raise _error(path, problem.what, problem.do, problem.place) from None
    if document.value is None:
        raise _error(path, "the file is empty", f"give it some of {', '.join(SECTIONS)}", Place(1, 1))
    found = read_rules(document.value, lambda name: _profile(path.parent / name))
    if isinstance(found, RulesFile):
        return PlacedRules(path, found, document)
    problems = [_placed(path, document, problem) for problem in found]
    raise RulesFileError(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))


def _profile(path: Path) -> Profile:
    from tokentape_harness.profiles import read_profile  # takes 0.2 s

    return read_profile(path)


def not_served(path: Path, data: bytes) -> CassetteFormatError | CassetteSyntaxError:
    """The error of a file that is neither a rules file nor a cassette."""
    try:
        document = parse_document(data, path.suffix)
    except TextProblem as problem:
        return CassetteSyntaxError(f"{_line(problem.place)}{problem.what}: {problem.do}", path=path)
    content = document.value
    if content is None:
        return CassetteSyntaxError("the file is empty: delete it, or write rules or recordings", path=path)
    if isinstance(content, Mapping):
        if "interactions" in content and is_rules_document(content):
            return CassetteFormatError("both a cassette and a rules file: split it into two", path=path)
        for name in content:
            for near in get_close_matches(name, SECTIONS, 1, 0.75):
                place = _line(document.place((name,), key=True))
                return CassetteFormatError(f"{place}unknown field `{name}`: did you mean {near}?", path=path)
    fields = ", ".join(SECTIONS)
    return CassetteFormatError(
        f"neither a cassette, which has `interactions`, nor a rules file, which has {fields}", path=path
    )


def _line(place: Place | None) -> str:
    return "" if place is None else f"line {place.line}, column {place.column}: "


def _error(path: Path, what: str, do: str, place: Place | None = None) -> RulesFileError:
    line, column = place or (None, None)
    return RulesFileError([FileProblem(str(path), line, column, "", what, do)])


def _placed(path: Path, document: Document, problem: Problem) -> FileProblem:
    line, column = document.place(problem.path, key=problem.key) or (None, None)
    return FileProblem(str(path), line, column, problem.field, problem.what, problem.do)
