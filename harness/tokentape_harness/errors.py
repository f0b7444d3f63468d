"""The errors of the harness, one tree.

HarnessError
├── CassetteError                  a cassette can't be read or written: it names the file and the interaction
│   ├── CassetteNotFoundError      no such file
│   ├── CassetteSyntaxError        not YAML, or cut short
│   ├── CassetteFormatError        not vcrpy's format: another tool's, another version, a damaged field
│   └── CassetteWriteError         can't be written, or would replace a file that can't be read
├── RulesFileError                 rules files are not valid: it has all their problems
├── TraceError                     a trace or a log can't be imported: it names the file and the record
├── TruncatedRecordingError        a replay reached the point where the recording was cut off
├── UnplayedRecordingError         a cassette has responses that the test did not request
├── PromiseBrokenError             a conformance case found that a target breaks its promise
├── FlushError                     a flush check can't run: the target does not answer, or no token comes out
├── SweepError                     a sweep can't run: no complete stream, or the client fails without a fault
├── DoctorError                    the doctor can't run: the command does not start, or has no test
├── LoadError                      a load test can't run: Locust fails, or no user sends a request
└── UsageError                     an argument of a fixture or of the command line is wrong

CassetteWarning                    something in a cassette was fixed, or a client's streams can't be kept
ScriptWarning                      a script calls a tool that the request does not declare
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class HarnessError(Exception):
    """Base of every error that the harness raises."""


class CassetteError(HarnessError):
    """A cassette can't be read or written.

    `path` is the file, where there is one; `interaction` its number in the file, from 0.
    """

    def __init__(self, message: str, *, path: Path | None = None, interaction: int | None = None) -> None:
        place = [] if path is None else [str(path)]
        if interaction is not None:
            place.append(f"interaction {interaction}")
        super().__init__(": ".join([*place, message]))
        self.message = message
        self.path = path
        self.interaction = interaction

    def at(self, path: Path | None = None, interaction: int | None = None) -> CassetteError:
        """The same error, with file and interaction added if they were unknown."""
        return type(self)(
            self.message,
            path=self.path or path,
            interaction=interaction if self.interaction is None else self.interaction,
        )


class CassetteNotFoundError(CassetteError, FileNotFoundError):
    """There is no such file."""


class CassetteSyntaxError(CassetteError, ValueError):
    """The file is not YAML, or was cut short."""


class CassetteFormatError(CassetteError, ValueError):
    """The file is YAML, but not a cassette in vcrpy's format."""


class CassetteWriteError(CassetteError, OSError):
    """The file can't be written, or would replace one that can't be read."""


class CassetteWarning(UserWarning):
    """A cassette was read, but something in it was fixed; or the streams of a client can't be kept."""


class FileProblem(NamedTuple):
    """What is wrong in a file, where, and what to do; `line` and `column` are from 1, `None` if they are not known."""

    file: str
    line: int | None
    column: int | None
    field: str
    what: str
    do: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = ": ".join(filter(None, (place, self.field, self.what)))
        return f"{text}: {self.do}" if self.do else text


class RulesFileError(HarnessError, ValueError):
    """Rules files are not valid; `problems` has what is wrong, with file, line and column."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class TraceError(HarnessError, ValueError):
    """A trace or a log can't be imported; `place` is the file and the line, the span or the record."""

    def __init__(self, message: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.place = place


class ScriptWarning(UserWarning):
    """A scripted response does not fit the request that it answers: it calls a tool that the request does not declare.

    The fixture of the fake provider gives it at the end of a test.
    """


class TruncatedRecordingError(HarnessError):
    """The client reads more of a response than was recorded: the message names it, and why the recording ends."""


class UnplayedRecordingError(HarnessError, AssertionError):
    """Interactions of a cassette were never requested; the message names them."""


class PromiseBrokenError(HarnessError, AssertionError):
    """A conformance case saw `seen` instead of `expected` for `what`."""

    def __init__(self, what: str, *, expected: str, seen: str) -> None:
        super().__init__(f"{what}: expected {expected}, seen {seen}")
        self.what = what
        self.expected = expected
        self.seen = seen


class FlushError(HarnessError):
    """A flush check can't run: the message names the step that failed, and what to do."""


class SweepError(HarnessError):
    """A sweep can't run: its recording has no complete stream, or the client fails without any fault."""


class DoctorError(HarnessError):
    """The doctor can't run: the command does not start, or pytest comes to no test."""


class LoadError(HarnessError):
    """A load test can't run: Locust ended with an error, or no user sent a request."""


class UsageError(HarnessError, ValueError):
    """An argument of a fixture or of the command line is wrong."""
