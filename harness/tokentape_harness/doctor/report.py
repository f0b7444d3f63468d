"""Report: diagnoses as text and as JSON, and the cassettes that reproduce them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, Final

import msgspec

from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_fake_provider.tape import Frame
from tokentape_harness.cassettes.model import Cassette
from tokentape_harness.cassettes.writer import write_cassette
from tokentape_harness.doctor.diagnosis import Diagnosis, Finding
from tokentape_harness.redaction import DEFAULT_RULES
from tokentape_harness.redaction.redact import redact
from tokentape_harness.terminal_text import one_line
from tokentape_harness.testing.exchange_reading import interaction_of

_APART_MS: Final = 20.0
_WIDTH: Final = 150
_SHOWN: Final = 110
_NOT_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def write_cassettes(diagnoses: Sequence[Diagnosis], folder: Path) -> dict[str, Path]:
    """Write a cassette for each finding; return their paths by the finding's test and variation. Replaces old ones.

    Its chunks are the reads, with more time between them than two writes may need to arrive together. Raises
    `CassetteWriteError`.
    """
    written = {}
    for diagnosis in diagnoses:
        for number, finding in enumerate(diagnosis.findings):
            name = _NOT_NAME.sub("-", diagnosis.test.rpartition("/")[2].replace(".py::", "-")).strip("-")[:100]
            path = folder / f"{name}{f'-{number + 1}' if number else ''}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            interactions = [redact(interaction_of(_apart(exchange)), DEFAULT_RULES) for exchange in finding.exchanges]
            write_cassette(path, Cassette(tuple(interactions)))
            written[diagnosis.test + finding.variation] = path
    return written


def _apart(exchange: Exchange) -> Exchange:
    tape = exchange.tape
    frames = tuple(Frame(frame.at + _APART_MS * number, frame.data) for number, frame in enumerate(tape.frames))
    last = frames[-1].at if frames else tape.start
    end_at = None if tape.end_at is None else max(last, tape.end_at + _APART_MS * len(frames))
    return msgspec.structs.replace(exchange, tape=msgspec.structs.replace(tape, frames=frames, end_at=end_at))


def replay_command(command: Sequence[str], finding: Finding, test: str = "") -> str:
    """The command that runs the program, or this one test of pytest, once with the variation of a finding."""
    if not test:
        return f"tokentape doctor --variation={shlex.quote(finding.variation)} -- {shlex.join(command)}"
    words = command if test in command else [*command[: _place_of_pytest(command) + 1], test]
    return f"{shlex.join(words)} --tokentape-variation={shlex.quote(finding.variation)}"


def is_pytest(command: Sequence[str]) -> bool:
    """Whether a command runs pytest: `pytest`, `python -m pytest`, or the same through `uv run` and the like."""
    return _place_of_pytest(command) >= 0


def _place_of_pytest(command: Sequence[str]) -> int:
    names = [PurePath(word).name.removesuffix(".exe") for word in command]
    return next((number for number, name in enumerate(names) if name in ("pytest", "py.test")), -1)


def report_fields(
    diagnoses: Sequence[Diagnosis], cassettes: dict[str, Path], replays: dict[str, str]
) -> dict[str, Any]:
    """The diagnoses as JSON."""
    tests = []
    for diagnosis in diagnoses:
        fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(diagnosis, findings=()))
        fields["findings"] = []
        for finding in diagnosis.findings:
            key = diagnosis.test + finding.variation
            found = {n: getattr(finding, n) for n in finding.__struct_fields__ if n != "exchanges"}
            cassette = cassettes.get(key)
            more = {"cassette": None if cassette is None else str(cassette), "replay": replays.get(key, "")}
            fields["findings"].append({**found, **more})
        tests.append(fields)
    return {"tests": tests}


def lines_of(diagnosis: Diagnosis, cassettes: dict[str, Path], replays: dict[str, str]) -> Iterator[str]:
    """A diagnosis as text."""
    count = f"{diagnosis.runs} runs in {diagnosis.seconds:.1f} s, seed {diagnosis.seed}"
    yield f"{diagnosis.test}: {_summary(diagnosis)} ({count})"
    for finding in diagnosis.findings:
        yield f"  {finding.sentence}"
        yield f"    request {finding.request + 1} of {diagnosis.requests}: {finding.request_line}"
        yield from (f"      {_end_of(event)}" for event in finding.events)
        if finding.detail:
            yield f"    {one_line(f'{finding.outcome}: {finding.detail}', _WIDTH)}"
        key = diagnosis.test + finding.variation
        if key in cassettes:
            yield f"    cassette: {cassettes[key]}"
        if key in replays:
            yield f"    replay: {replays[key]}"
    if diagnosis.verdict in ("failing", "flaky") and diagnosis.detail:
        yield f"    {one_line(diagnosis.detail, _WIDTH)}"
    if diagnosis.verdict == "sound":
        yield f"  tried: {', '.join(diagnosis.tried)}"
    if diagnosis.note:
        yield f"  {diagnosis.note}"


def _end_of(event: str) -> str:
    """What an event carries, and the end of its bytes, where the deltas are."""
    what, _, data = event.partition(": ")
    data = one_line(data, len(data) + 1)
    return f"{what}: {data if len(data) <= _SHOWN else '…' + data[-_SHOWN:]}"


def _summary(diagnosis: Diagnosis) -> str:
    streams = f"{diagnosis.streams} stream{'s' if diagnosis.streams != 1 else ''}"
    match diagnosis.verdict:
        case "found":
            count = len(diagnosis.findings)
            return f"{count} finding{'s' if count != 1 else ''} in {streams}"
        case "sound":
            return f"no variation of its {streams} changes the outcome"
        case "failing":
            return f"{diagnosis.outcome}, {'whatever the variation' if diagnosis.tried else 'without any change'}"
        case "flaky":
            return "flaky"
        case "skipped":
            return "skipped"
        case "untried":
            return "nothing was tried"
