"""The errors of the harness, one tree.

HarnessError
├── CassetteError                  a cassette can't be read or written: it names the file and the interaction
│   ├── CassetteNotFoundError      no such file
│   ├── CassetteSyntaxError        not YAML, or cut short
│   ├── CassetteFormatError        not vcrpy's format: another tool's, another version, a damaged field
│   └── CassetteWriteError         can't be written, or would replace a file that can't be read
├── TruncatedRecordingError        a replay reached the point where the recording was cut off
├── UnplayedRecordingError         a cassette has responses that the test did not request
├── PromiseBrokenError             a conformance case found that a target breaks its promise
├── FlushError                     a flush check can't run: the target does not answer, or no token comes out
├── SweepError                     a sweep can't run: no complete stream, or the client fails without a fault
└── UsageError                     an argument of a fixture or of the command line is wrong

CassetteWarning                    something in a cassette was fixed, or a client's streams can't be kept
"""

from __future__ import annotations

from pathlib import Path


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
        """The same error, with the place filled in where it was not known yet."""
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


class TruncatedRecordingError(HarnessError):
    """The client wants more of a response than was recorded: the message says which, and why it stops."""


class UnplayedRecordingError(HarnessError, AssertionError):
    """Interactions of a cassette were never asked for; the message names them."""


class PromiseBrokenError(HarnessError, AssertionError):
    """A conformance case found that `what` was `seen` instead of `expected`."""

    def __init__(self, what: str, *, expected: str, seen: str) -> None:
        super().__init__(f"{what}: expected {expected}, seen {seen}")
        self.what = what
        self.expected = expected
        self.seen = seen


class FlushError(HarnessError):
    """A flush check can't be made: the message says how far it came, and what to do."""


class SweepError(HarnessError):
    """A sweep can't be made: its recording is no whole stream, or the client fails without any fault."""


class UsageError(HarnessError, ValueError):
    """An argument of a fixture or of the command line is wrong."""
