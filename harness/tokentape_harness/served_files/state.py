"""The state that files describe: the setup of each session, from rules files and cassettes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tokentape_fake_provider.sessions.queue_item import queue_items
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rules_file.problem import Path as DocumentPath
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.setup import Setup
from tokentape_harness.cassettes.files import find_cassettes, is_hidden
from tokentape_harness.cassettes.gc_paused import gc_paused
from tokentape_harness.cassettes.reader import read_file
from tokentape_harness.errors import CassetteError, FileProblem, HarnessError, RulesFileError, UsageError
from tokentape_harness.served_files.rules_files import SUFFIXES, PlacedRules, kind_of, not_served, parse_rules

ReadRecordings: TypeAlias = Callable[[Path], list[Recording]]

# Reading this many files of 10 kB takes 0.2 s; 10,000 would take 5 s (measured).
READ_AT_ONCE = 500


class State(NamedTuple):
    """What all files together describe; `skipped` says why a file can't be served."""

    settings: SessionSettings
    setups: Mapping[str, Setup]
    rules_files: Sequence[Path]
    cassettes: Sequence[Path]
    skipped: Mapping[Path, str]

    @property
    def recordings(self) -> int:
        """The number of recordings of all sessions, each counted once."""
        return len({id(recording) for setup in self.setups.values() for recording in setup.recordings})

    @property
    def rules(self) -> int:
        """The number of rules of all sessions."""
        return sum(len(setup.rules) for setup in self.setups.values())


class _File(NamedTuple):
    """A file as it was read."""

    stamp: tuple[int, ...]
    rules: PlacedRules | None = None
    recordings: Sequence[Recording] = ()
    error: HarnessError | None = None


class ServedFiles:
    """The files of these paths; each is read again only if it changed.

    `read` reads the recordings of a cassette, `read_lazily` those of one among very many. `settings` are those of a
    session whose files set none; `options`, by their names in `SessionSettings`, win over the files.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        read: ReadRecordings,
        read_lazily: ReadRecordings | None = None,
        settings: SessionSettings | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._read, self._read_lazily = read, read_lazily or read
        self._settings, self._options = settings or SessionSettings(), dict(options or {})
        self._files: dict[Path, _File] = {}
        self._served = frozenset[Path]()

    @property
    def stamps(self) -> Mapping[Path, tuple[int, ...]]:
        """What tells the files that were read from other versions of them."""
        return {path: file.stamp for path, file in self._files.items()}

    @property
    def gone(self) -> list[str]:
        """The files that were read, and are no longer there."""
        return sorted(str(path) for path in self._files if not path.exists())

    @property
    def folders(self) -> frozenset[Path]:
        """The folders in which a change may concern what is served."""
        listed = (place for file in self._files.values() if file.rules for place in file.rules.all_cassettes)
        found = set[Path]()
        for path in (*self._paths, *listed):
            if path.is_dir():
                found |= {path, *(below for below in path.rglob("*") if below.is_dir() and not is_hidden(below, path))}
            else:
                found.add(next(folder for folder in path.absolute().parents if folder.is_dir()))
        return frozenset(found)

    @gc_paused()
    def load(self) -> State:
        """Read what changed, and form the state.

        A file that is neither a rules file nor a cassette that can be read is skipped, unless it is the only one, the
        session is strict, or the file was served before. Raises `RulesFileError` with all problems of all rules files,
        `CassetteError`, `UsageError`.
        """
        named = find_cassettes(self._paths, SUFFIXES)
        self._read_new(named)
        problems = list[FileProblem]()
        for path in named:
            if isinstance(error := self._files[path].error, RulesFileError):
                problems += error.problems
        rules = [file.rules for path in named if (file := self._files[path]).rules is not None]
        cassettes = {DEFAULT_SESSION: named}
        for one in rules:
            for name, places in one.cassettes.items():
                cassettes[name] = [*cassettes.get(name, ()), *_found(one, places, problems)]
        self._read_new(listed := list(dict.fromkeys(path for paths in cassettes.values() for path in paths)))
        settings = self._merged(self._settings, DEFAULT_SESSION, rules, problems)
        setups = {}
        for name in {DEFAULT_SESSION: None, **{name: None for one in rules for name in one.setups}}:
            own = settings if name == DEFAULT_SESSION else self._merged(settings, name, rules, problems)
            parts = [one.setups[name] for one in rules if name in one.setups]
            setups[name] = Setup(
                own.changed(**self._options),
                tuple(rule for part in parts for rule in part.rules),
                tuple(item for part in parts for item in queue_items(part.queue)),
                tuple(self._recordings(cassettes.get(name, ()))),
            )
        if problems:
            raise RulesFileError(problems)
        state = State(
            setups[DEFAULT_SESSION].settings,
            setups,
            [one.path for one in rules],
            [path for path in listed if (file := self._files[path]).error is None and file.rules is None],
            self._skipped(listed, strict=setups[DEFAULT_SESSION].settings.strict),
        )
        if self._paths and not state.rules_files and not state.cassettes:
            raise UsageError(f"no cassette and no rules file in {', '.join(map(str, self._paths))} can be read")
        self._files = {path: self._files[path] for path in listed}
        self._served = frozenset((*state.cassettes, *state.rules_files))
        return state

    def _read_new(self, paths: Sequence[Path]) -> None:
        lazily = len(paths) > READ_AT_ONCE
        for path in paths:
            stamp = _stamp(path)
            if path not in self._files or self._files[path].stamp != stamp:
                self._files[path] = self._read_file(path, stamp, lazily=lazily)

    def _read_file(self, path: Path, stamp: tuple[int, ...], *, lazily: bool) -> _File:
        try:
            data = read_file(path)
            match kind_of(path, data):
                case "rules":
                    return _File(stamp, parse_rules(path, data))
                case "cassette":
                    read = self._read_lazily if lazily else self._read
                    return _File(stamp, recordings=read(path))
            raise not_served(path, data)
        except (CassetteError, RulesFileError) as error:
            return _File(stamp, error=error)

    def _merged(
        self, base: SessionSettings, name: str, rules: Iterable[PlacedRules], problems: list[FileProblem]
    ) -> SessionSettings:
        """The settings of a session; each may be set in one file."""
        changes: dict[str, Any] = {}
        owners: dict[str, PlacedRules] = {}
        for one in rules:
            setup = one.setups.get(name)
            for field, value in setup.settings.changes.items() if setup is not None else ():
                if field in owners:
                    what = f"`{field}` is set in {owners[field].path}, too"
                    problems.append(one.problem((*one.prefix(name), "settings", field), what, "keep one of them"))
                changes[field], owners[field] = value, one
        return base.changed(**changes)

    def _recordings(self, paths: Iterable[Path]) -> Iterator[Recording]:
        for path in dict.fromkeys(paths):
            yield from self._files[path].recordings

    def _skipped(self, listed: Sequence[Path], *, strict: bool) -> dict[Path, str]:
        """Why files are skipped. Raises the error of one that must not be."""
        skipped = {}
        for path in listed:
            error = self._files[path].error
            if error is not None and (path.suffix != ".toml" or path in self._paths):  # pyproject.toml, say
                if strict or path in self._served or listed == [path]:
                    raise error
                skipped[path] = str(error)
        return skipped


def _found(
    rules: PlacedRules, places: Iterable[tuple[DocumentPath, Path]], problems: list[FileProblem]
) -> Iterator[Path]:
    """The cassettes at these places; those that are not there are problems."""
    for place, path in places:
        try:
            yield from find_cassettes([path])
        except (CassetteError, UsageError) as error:
            problems.append(rules.problem(place, str(error), ""))


def _stamp(path: Path) -> tuple[int, ...]:
    """What another version of a file has otherwise; empty for a file that is gone."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
