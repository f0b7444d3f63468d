"""Serving: a command that serves the URL under test."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from tokentape_harness.errors import FlushError
from tokentape_harness.flush.reading.command import LastLines, end_command, start_command
from tokentape_harness.flush.targets import CommandTarget

# What an app that runs already is configured with: that of `tokentape serve`.
KNOWN_PORT: Final = 8089
_LOOK_S: Final = 0.05


@contextmanager
def serving(command: Sequence[str], url: str, variables: Mapping[str, str], seconds: float) -> Iterator[None]:
    """Run a command, if there is one, from when it accepts connections at `url`. Raises `FlushError`."""
    if not command:
        yield
        return
    process = start_command(CommandTarget(tuple(command)), subprocess.DEVNULL, dict(variables))
    lines = LastLines(process)
    try:
        _wait_for_port(url, process, lines, seconds)
        yield
    finally:
        end_command(process)
        lines.close()


def _wait_for_port(url: str, process: subprocess.Popen[bytes], lines: LastLines, seconds: float) -> None:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    until = time.monotonic() + seconds
    while True:
        if process.poll() is not None:
            raise FlushError(f"the command ended with exit code {process.returncode}{lines.said()}")
        try:
            socket.create_connection(address, timeout=1.0).close()
        except OSError:
            if time.monotonic() > until:
                raise FlushError(f"nothing listens on {address[0]}:{address[1]} within {seconds:g} s") from None
            time.sleep(_LOOK_S)
        else:
            return
