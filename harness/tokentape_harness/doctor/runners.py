"""Runners: a test of pytest in one process for all its runs, or in one for each; and any other command."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from tokentape_fake_provider.hosting.provider import Provider
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.variation import varied
from tokentape_harness.doctor.change import Variation
from tokentape_harness.doctor.conductor import Conductor, Run
from tokentape_harness.doctor.diagnosis import Diagnosis, Limits
from tokentape_harness.doctor.job import PLUGIN, VARIABLE, Job, Progress, read_lines
from tokentape_harness.errors import DoctorError, FlushError, UsageError
from tokentape_harness.flush.reading.command import end_command, start_command
from tokentape_harness.flush.targets import CommandTarget
from tokentape_harness.testing.control_api import URL
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.sdk_environment import sdk_environment

OnRun = Callable[[str, int, str], object]
"""Called with the test, the number of the run, and what is tried."""
_POLL_S = 0.1
# A command may take this long in s, and longer by its pauses.
_PATIENCE_S = 60.0
_SETTLE_S = 5.0


def diagnose_pytest(
    command: Sequence[str], limits: Limits, on_run: OnRun, *, isolate: bool = False
) -> Iterator[Diagnosis]:
    """Examine each test that this command of pytest collects; a later diagnosis of a test replaces an earlier one.

    All runs of a test share a process; those of one that is flaky there get a process each, as all with `isolate`,
    where the system can fork. Raises `UsageError` if it can't, `DoctorError` if pytest does not come to any test, and
    `KeyboardInterrupt` at Ctrl-C, after what was found until then.
    """
    can_fork = hasattr(os, "fork")
    if isolate and not can_fork:
        raise UsageError("--isolate: this system can't fork a process")
    flaky = list[str]()
    for diagnosis in _diagnoses(command, Job("", limits, isolated=isolate), on_run):
        if diagnosis.verdict == "flaky":
            flaky.append(diagnosis.test)
        yield diagnosis
    if flaky and not isolate and can_fork:
        for diagnosis in _diagnoses(command, Job("", limits, tuple(flaky), isolated=True), on_run):
            if diagnosis.verdict != "flaky" and not diagnosis.interrupted:
                yield diagnosis


def _diagnoses(command: Sequence[str], job: Job, on_run: OnRun) -> Iterator[Diagnosis]:
    """What a pytest with this job finds."""
    with tempfile.TemporaryDirectory(prefix="tokentape-doctor-") as folder:
        results, output = Path(folder) / "results.jsonl", Path(folder) / "output.txt"
        results.touch()
        text = msgspec.json.encode(msgspec.structs.replace(job, results=str(results))).decode()
        found = interrupted = False
        with output.open("wb") as file, _started([*command, "-p", PLUGIN], {VARIABLE: text}, file) as process:
            place, running = 0, True
            while running:
                try:
                    process.wait(_POLL_S)
                    running = False
                except subprocess.TimeoutExpired:
                    pass
                except KeyboardInterrupt:
                    if interrupted:
                        raise
                    interrupted = True
                    if hasattr(os, "killpg"):
                        os.killpg(process.pid, signal.SIGINT)
                for after, line in read_lines(results, place):
                    place = after
                    if isinstance(line, Progress):
                        on_run(line.test, line.number, line.what)
                    else:
                        found = True
                        yield line.diagnosis
        if interrupted:
            raise KeyboardInterrupt
        if not found:
            tail = "\n".join(output.read_text("utf-8", "replace").strip().splitlines()[-15:])
            raise DoctorError(
                f"pytest came to no test (exit code {process.returncode}); the end of its output:\n{tail}"
            )


@contextmanager
def _started(command: Sequence[str], more: dict[str, str], output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this command, which has ended at the end of the block."""
    # A server in another process can't be varied from here: the fixtures start their own.
    own = {name: value for name, value in os.environ.items() if name != URL}
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**own, **more},
            start_new_session=True,  # a terminal's Ctrl-C reaches it through this process, once
        )
    except OSError as error:
        raise DoctorError(f"{command[0]}: can't be run ({error.strerror or error})") from None
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


class CommandRunner:
    """Runs a command, whose requests a fake provider answers: its exit code and its standard output are the outcome.

    If its output differs in two runs without changes, only the exit code counts.
    """

    def __init__(self, command: Sequence[str], provider: Provider, recordings: Sequence[Recording] = ()) -> None:
        self._command = tuple(command)
        self._provider = provider
        self._recordings = recordings
        self._output: bytes | None = None
        self.compares_output = True

    def __call__(self, changes: Variation, keys: Sequence[str]) -> Run:
        """Run it once."""
        conductor, began = Conductor(changes, keys), time.monotonic()
        session = self._provider.create_session()
        provider = FakeProvider(self._provider, session)
        session.configure(repeat=True)
        session.add_recordings(self._recordings)
        patience = _PATIENCE_S + 4 * sum(change.ms for change in changes) / 1000.0
        try:
            with varied(conductor):
                outcome, detail = self._run(provider, patience, same=not changes)
        finally:
            self._provider.delete_session(session.id)
        return conductor.run(outcome, detail, time.monotonic() - began)

    def _run(self, provider: FakeProvider, patience_s: float, *, same: bool) -> tuple[str, str]:
        try:
            process = start_command(CommandTarget(self._command), subprocess.PIPE, sdk_environment(provider.url))
        except FlushError as error:
            raise DoctorError(str(error)) from None
        try:
            output, errors = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            return "hung", f"the command took more than {patience_s:g} s"
        finally:
            end_command(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if process.returncode:
            lines = errors.decode("utf-8", "replace").strip().splitlines()
            return f"failed: exit code {process.returncode}", lines[-1] if lines else ""
        if self._output is None:
            self._output = output
        if output != self._output and same:
            self.compares_output = False
        if output != self._output and self.compares_output:
            return "failed: other output", output.decode("utf-8", "replace").strip()[-300:]
        return "passed", ""
