"""Job: what a pytest that the doctor started is to do, and the lines that it writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tokentape_harness.doctor.diagnosis import Diagnosis, Limits

VARIABLE: Final = "TOKENTAPE_DOCTOR"
PLUGIN: Final = "tokentape_harness.doctor.pytest_doctor"


class Job(msgspec.Struct, frozen=True):
    """Examine each collected test within `limits`, or those of `only` if there are any.

    Each run gets a process of its own if it is to be `isolated`. The results are appended to the file `results`, as
    lines of JSON.
    """

    results: str
    limits: Limits = Limits()
    only: tuple[str, ...] = ()
    isolated: bool = False


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """A run begins: its number for this test, and what is tried."""

    test: str
    number: int
    what: str


class Diagnosed(msgspec.Struct, frozen=True, tag="diagnosis"):
    """A test was examined."""

    diagnosis: Diagnosis


Line = Progress | Diagnosed


def job_of_environment() -> Job | None:
    """The job of this process, if the doctor started it."""
    text = os.environ.get(VARIABLE)
    return None if not text else msgspec.json.decode(text, type=Job)


def write_line(path: str, line: Line) -> None:
    """Append a line to the results."""
    with Path(path).open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def read_lines(path: Path, start: int = 0) -> Iterator[tuple[int, Line]]:
    """The whole lines of the results from this byte on, each with the byte after it."""
    with path.open("rb") as file:
        file.seek(start)
        for text in file:
            if not text.endswith(b"\n"):
                return
            start += len(text)
            yield start, msgspec.json.decode(text, type=Line)
