"""Reading a command's standard output."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import suppress

from tokentape_harness.errors import FlushError
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.threads import ThreadReader
from tokentape_harness.flush.targets import CommandTarget

_LEAVING_S = 2.0
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def start_command(
    target: CommandTarget, stdout: int | None, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own. Raises `FlushError`."""
    given = {**os.environ, **(environment or {}), **dict(target.environment)}
    try:
        return subprocess.Popen(  # noqa: S603 - the user's own command
            target.command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=given,
            cwd=target.folder,
            start_new_session=os.name == "posix",
        )
    except OSError as error:
        raise FlushError(f"{target.command[0]}: can't be run ({error.strerror or error})") from None


def end_command(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started, first with SIGTERM, then with SIGKILL."""
    for number in (signal.SIGTERM, _KILL):
        _signal(process, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LEAVING_S)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a command and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


class LastLines:
    """The last lines of a command's standard error, which is read so that the command does not block."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._lines: deque[bytes] = deque(maxlen=20)
        self._stderr = process.stderr
        self._thread = threading.Thread(target=self._read, name="tokentape-flush-stderr", daemon=True)
        self._thread.start()

    def last(self) -> str:
        """The last line, after a colon; empty without one."""
        self._thread.join(_LEAVING_S)
        last = self._lines[-1].decode("utf-8", "replace").strip() if self._lines else ""
        return f": {last}" if last else ""

    def close(self) -> None:
        """Stop reading; the command has ended."""
        self._thread.join(_LEAVING_S)
        if self._stderr is not None and not self._thread.is_alive():
            self._stderr.close()

    def _read(self) -> None:
        assert self._stderr is not None
        for line in self._stderr:
            if line.strip():
                self._lines.append(line)


class CommandReader:
    """Runs a command and reads its output from a pipe as it arrives.

    With `ends_on_leaving`, `leave` ends the command: it reads an app, and its connection must close.
    """

    def __init__(self, target: CommandTarget, output: ObservedOutput, *, ends_on_leaving: bool = False) -> None:
        self._ends_on_leaving = ends_on_leaving
        self._process = process = start_command(target, subprocess.PIPE)
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        self._errors = LastLines(process)

        def read(_left: threading.Event) -> None:
            while data := os.read(pipe, 65_536):
                output.on_data(data)
            code = process.wait()
            if code:
                output.on_end(f"exit code {code}{self._errors.last()}", broken=True)

        self._reader = ThreadReader(read, output)

    def leave(self) -> None:
        """Read no more of its output."""
        self._reader.leave()
        if self._ends_on_leaving:
            _signal(self._process, _KILL)

    def close(self) -> None:
        """End the command."""
        end_command(self._process)
        self._reader.close()
        self._errors.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
