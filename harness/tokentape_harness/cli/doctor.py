"""doctor: does a test depend on how a stream happens to be split, paused or ordered?"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.files import find_cassettes
from tokentape_harness.cli.messages import print_error
from tokentape_harness.cli.options import Json
from tokentape_harness.doctor.change import parse_variation
from tokentape_harness.doctor.diagnosis import Diagnosis, Limits, diagnose
from tokentape_harness.doctor.report import is_pytest, lines_of, replay_command, report_fields, write_cassettes
from tokentape_harness.doctor.runners import CommandRunner, OnRun, diagnose_pytest
from tokentape_harness.errors import UsageError
from tokentape_harness.testing.recordings import load_recordings

_UNSOUND = ("found", "flaky", "failing")


def doctor(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="-- COMMAND",
            help="pytest with a test, or a program whose requests a fake provider answers.",
        ),
    ],
    runs: Annotated[int, typer.Option(min=3, help="How often each test may run.")] = 200,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="S", help="How long each test may be tried, in s.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of the random splits.")] = 0,
    pause: Annotated[float, typer.Option(min=0.0, metavar="S", help="How long a pause is, in s; 0 for none.")] = 1.0,
    deltas: Annotated[
        bool,
        typer.Option("--deltas", help="A finding, too, if the outcome depends on how text is divided into deltas."),
    ] = False,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="A process for each run, not one for all runs of a test.")
    ] = False,
    cassettes: Annotated[
        list[Path] | None,
        typer.Option("--cassette", metavar="FILE|DIR", help="Recordings for a program; repeatable. Not for pytest."),
    ] = None,
    variation: Annotated[
        str | None,
        typer.Option(metavar="CHANGES", help="Run a program once with this variation. pytest: --tokentape-variation."),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--report", metavar="DIR", help="Where the cassettes of findings and doctor.json go.")
    ] = Path("tokentape-doctor"),
    as_json: Json = False,
) -> int:
    """Report each test; 1 if a variation changes an outcome, a test is flaky or fails, or nothing was tried; else 0.

    Ctrl-C ends it with the report of what was found until then, and 130.

    Raises `UsageError`, `DoctorError`, `CassetteError`.
    """
    limits = Limits(runs, timeout, seed, pause * 1000.0, deltas)
    of_pytest = is_pytest(command)
    if of_pytest and (cassettes or variation):
        raise UsageError("--cassette and --variation are for programs: a test has its own, and --tokentape-variation")
    _check_folder(folder)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        task = progress.add_task("")

        def on_run(test: str, number: int, what: str) -> None:
            progress.update(task, description=terminal_text.one_line(f"{test}: run {number}, {what}", 100))

        by_test: dict[str, Diagnosis] = {}
        interrupted = False
        try:
            if of_pytest:
                for diagnosis in diagnose_pytest(command, limits, on_run, isolate=isolate):
                    by_test[diagnosis.test] = diagnosis
            elif variation is not None:
                return _run_once(command, variation, cassettes or [])
            else:
                diagnosis = _diagnose_program(command, cassettes or [], limits, on_run)
                by_test[diagnosis.test], interrupted = diagnosis, diagnosis.interrupted
        except KeyboardInterrupt:
            interrupted = True
    found = list(by_test.values())
    written = write_cassettes(found, folder)
    replays = {
        diagnosis.test + finding.variation: replay_command(command, finding, diagnosis.test if of_pytest else "")
        for diagnosis in found
        for finding in diagnosis.findings
    }
    fields = report_fields(found, written, replays)
    if written:
        (folder / "doctor.json").write_bytes(msgspec.json.format(msgspec.json.encode(fields)) + b"\n")
    if as_json:
        print(terminal_text.dump(fields))
    else:
        for diagnosis in found:
            for line in lines_of(diagnosis, written, replays):
                print(terminal_text.printable(line))
    if interrupted:
        print_error("interrupted: this is what was found until then")
        return 128 + signal.SIGINT
    tried = any(diagnosis.verdict not in ("skipped", "untried") for diagnosis in found)
    return 1 if not tried or any(diagnosis.verdict in _UNSOUND for diagnosis in found) else 0


def _check_folder(folder: Path) -> None:
    """Raise `UsageError` if the report can't be written, before a run is lost."""
    found = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not found.is_dir() or not os.access(found, os.W_OK):
        raise UsageError(f"--report {folder}: {found} is not a folder in which files can be written")


def _runner(command: list[str], cassettes: list[Path], server: FakeProviderServer) -> CommandRunner:
    files = find_cassettes(cassettes)
    return CommandRunner(command, server, [recording for file in files for recording in load_recordings(file)])


def _diagnose_program(command: list[str], cassettes: list[Path], limits: Limits, on_run: OnRun) -> Diagnosis:
    name = shlex.join(command)
    with FakeProviderServer(port=0) as server:
        runner = _runner(command, cassettes, server)
        diagnosis = diagnose(name, runner, limits, lambda number, what: on_run(name, number, what))
    if runner.compares_output:
        return diagnosis
    note = "its output differs from run to run: only the exit code was compared"
    return msgspec.structs.replace(diagnosis, note="; ".join(filter(None, (diagnosis.note, note))))


def _run_once(command: list[str], variation: str, cassettes: list[Path]) -> int:
    with FakeProviderServer(port=0) as server:
        run = _runner(command, cassettes, server)(parse_variation(variation), ())
    print(terminal_text.printable(f"{run.outcome}: {run.detail}" if run.detail else run.outcome))
    return 0 if run.outcome == "passed" else 1
