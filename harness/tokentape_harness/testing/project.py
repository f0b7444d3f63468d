"""Project: files as a value, in which pytest runs with this plugin; for tests of plugins, fixtures and adapters."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path, PurePosixPath
from textwrap import dedent
from typing import Any, Final, TypeAlias

import msgspec
import pytest

from tokentape_harness.errors import UsageError
from tokentape_harness.testing.outcomes import FILE, OUTCOMES, OutcomeCollector, Outcomes

Files: TypeAlias = Mapping[str, str | bytes]
"""What is in each file, by its path in the project with `/`. The text of a file is dedented."""

TEST_FILE: Final = "test_project.py"
_NOT_OURS: Final = frozenset(("__pycache__", ".pytest_cache"))
_TIMEOUT_S: Final = 120.0


class Project(msgspec.Struct, frozen=True):
    """The files of a project, and the outcome of the pytest run that left them, if there was one.

    `Project.of("def test_x(fake_provider): ...")` has one test file; a mapping has files by paths. Every method that
    changes something returns a new project. `outcomes` has the counts of pytest's summary (passed, failed, errors,
    skipped, xfailed, xpassed), `tests` each test's worst outcome by its node id, `changed` the paths of the files that
    the run created, changed or removed.
    """

    files: Mapping[str, bytes]
    tests: Mapping[str, str] = {}
    outcomes: Mapping[str, int] = {}
    output: str = ""
    exit_code: int | None = None
    changed: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Files | str) -> Project:
        """A project of these files; a string is a test file. Raises `UsageError` for a path that leads outside."""
        return cls({}).with_files({TEST_FILE: files} if isinstance(files, str) else files)

    def with_files(self, files: Files) -> Project:
        """The project with these files too, or in place of those of the same paths; not run yet."""
        return Project({**self.files, **{_checked(path): _bytes(content) for path, content in files.items()}})

    def without_files(self, *paths: str) -> Project:
        """The project without these files; not run yet."""
        return Project({path: content for path, content in self.files.items() if path not in paths})

    def read(self, path: str) -> str:
        """The text of a file. Raises `UsageError` if it is not there."""
        if path not in self.files:
            raise UsageError(f"the project has no file {path}: it has {', '.join(sorted(self.files)) or 'none'}")
        return self.files[path].decode()

    @property
    def lines(self) -> Sequence[str]:
        """The lines of the output."""
        return self.output.splitlines()

    def assert_outcomes(self, **expected: int) -> Project:
        """The run had exactly these outcomes; returns the project. Raises `AssertionError` with the output."""
        if unknown := expected.keys() - set(OUTCOMES):
            raise UsageError(f"no outcome {', '.join(sorted(unknown))}: the known ones are {', '.join(OUTCOMES)}")
        wanted = {name: count for name, count in expected.items() if count}
        if wanted != self.outcomes or self.exit_code is None:
            found = "it was not run" if self.exit_code is None else f"{dict(self.outcomes)}, exit code {self.exit_code}"
            raise AssertionError(f"the outcomes are not {wanted}: {found}\n{self.output}")
        return self

    def run_pytest(
        self,
        *arguments: str,
        without: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        in_process: bool = False,
        timeout: float = _TIMEOUT_S,
    ) -> Project:
        """Run pytest in a folder of its own, and return the project as the run left it.

        `without` has names of plugins to leave out, `env` variables to set. The run has its own process; with
        `in_process` it is faster, and shares this process's modules. Raises `UsageError` after `timeout` s.
        """
        off = [part for name in ("cacheprovider", *without) for part in ("-p", f"no:{name}")]
        with tempfile.TemporaryDirectory(prefix="tokentape-project-") as name:
            folder = Path(name).resolve()
            self.write(folder)
            run = _run_here if in_process else _run_apart
            code, output, found = run(folder, [f"--rootdir={folder}", *off, *arguments], env or {}, timeout)
            after = dict(_read(folder))
        changed = {path for path in {*self.files, *after} if self.files.get(path) != after.get(path)}
        return Project(after, found.tests, found.counts, output, code, tuple(sorted(changed)))

    def write(self, folder: Path) -> None:
        """Write the files to a folder."""
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


_Run: TypeAlias = tuple[int, str, Outcomes]


def _run_apart(folder: Path, arguments: Sequence[str], env: Mapping[str, str], timeout: float) -> _Run:
    with tempfile.TemporaryDirectory(prefix="tokentape-outcomes-") as name:
        path = Path(name) / "outcomes.json"
        variables = {**_own_environment(), "PYTHONDONTWRITEBYTECODE": "1", **env, FILE: str(path)}
        command = (sys.executable, "-m", "pytest", "-p", OutcomeCollector.__module__, *arguments)
        try:
            done = subprocess.run(  # noqa: S603 - pytest of this interpreter
                command,
                cwd=folder,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode("utf-8", "replace")
            raise UsageError(f"pytest did not end within {timeout:g} s: give it more, or see:\n{output}") from None
        found = msgspec.json.decode(path.read_bytes(), type=Outcomes) if path.exists() else Outcomes()
        return done.returncode, done.stdout.decode("utf-8", "replace"), found


def _run_here(folder: Path, arguments: Sequence[str], env: Mapping[str, str], _timeout: float) -> _Run:
    output, collector = io.StringIO(), OutcomeCollector()
    with _restored(folder, env), chdir(folder), redirect_stdout(output), redirect_stderr(output):
        code = pytest.main(list(arguments), plugins=[collector])
    return int(code), output.getvalue(), collector.outcomes


@contextmanager
def _restored(folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Restore the modules of the project, paths and environment, which a run in this process changes."""
    modules, path, variables = dict(sys.modules), list(sys.path), dict(os.environ)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        os.environ.clear()
        os.environ.update({**_own_environment(), **env})
        yield
    finally:
        for name, module in list(sys.modules.items()):
            # Others stay: to import them anew takes longer than a run.
            if name not in modules and Path(getattr(module, "__file__", None) or "/").is_relative_to(folder):
                del sys.modules[name]
        sys.modules.update(modules)
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(variables)
        sys.dont_write_bytecode = writes


def _own_environment() -> dict[str, str]:
    """The environment, without what the pytest run that this one is in has set for itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_CORE"))}


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not _NOT_OURS & set(name.parts):
            yield name.as_posix(), path.read_bytes()


def _checked(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise UsageError(f"{path!r} is not a path in the project: use one such as 'tests/test_x.py'")
    return pure.as_posix()


def _bytes(content: Any) -> bytes:
    return content if isinstance(content, bytes) else dedent(content).lstrip("\n").encode()
