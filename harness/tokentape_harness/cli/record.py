"""record: a recording proxy, for one command or until it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tokentape_harness.cli.run import say
from tokentape_harness.errors import UsageError
from tokentape_harness.proxy import RecordingProxy, upstreams_of

# As a shell has it.
_NOT_RUNNABLE, _NOT_FOUND, _SIGNALLED = 126, 127, 128


def record(
    command: Sequence[str],
    *,
    folder: Path,
    upstreams: Sequence[str],
    mode: str,
    port: int,
    timeout: float | None,
    speed: float | None,
) -> int:
    """Run the command against the proxy and give its exit code; without one, stay up until interrupted.

    Raises `UsageError`, `CassetteError`, `PortInUseError`.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file: give a folder for the cassettes")
    known = upstreams_of(upstreams, os.environ)
    proxy = RecordingProxy(known, folder, mode=mode, port=port, timeout=timeout, speed=speed, report=say)
    if command:
        with proxy:
            return _run(command, proxy.environment(os.environ))
    stop = threading.Event()
    with _handling((signal.SIGINT, signal.SIGTERM), lambda *_: stop.set()), proxy:
        width = max(map(len, known))
        print(f"tokentape records to {folder} (mode {mode}) at {proxy.url}")
        for name, upstream in known.items():
            print(f"  {proxy.url}/{name:{width}}  {upstream.url}")
        print("Ctrl-C stops it.", flush=True)
        # Without a timeout the wait can't be interrupted on Windows.
        while not stop.wait(0.5):
            pass
    return 0


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    process: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for started in process:
            started.send_signal(number)

    # Ctrl-C reaches the command by itself, which decides what to do; what it asked until then is kept.
    with _handling((signal.SIGINT,), lambda *_: None), _handling((signal.SIGTERM,), pass_on):
        try:
            process.append(subprocess.Popen(command, env=environment))  # noqa: S603 - the user's own command
        except FileNotFoundError:
            say(f"{command[0]}: no such command")
            return _NOT_FOUND
        except OSError as error:
            say(f"{command[0]}: can't be run ({error.strerror or error})")
            return _NOT_RUNNABLE
        code = process[0].wait()
    return _SIGNALLED - code if code < 0 else code


@contextmanager
def _handling(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
