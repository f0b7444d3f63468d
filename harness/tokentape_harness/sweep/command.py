"""Command: a client in its own process, which sends one request and prints the response."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from typing import Final

from tokentape_harness.errors import FlushError, SweepError
from tokentape_harness.flush.reading.command import end_command, start_command
from tokentape_harness.flush.targets import CommandTarget
from tokentape_harness.sweep.run import Client, ClientError, ClientHungError
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.sdk_environment import sdk_environment

# The last line of a traceback: `openai.APIConnectionError: Connection error.`
_ERROR: Final = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?::\s*(.*))?")


def command_client(command: Sequence[str], timeout_s: float) -> Client:
    """A client that runs a command; its environment points the official SDKs to the fake provider.

    Its standard output is the response. An exit code other than 0 is an error; its class is taken from the last line
    of standard error. A command that takes longer than the timeout is killed, and counts as hung.
    """

    def run(provider: FakeProvider) -> bytes:
        try:
            process = start_command(CommandTarget(tuple(command)), subprocess.PIPE, sdk_environment(provider.url))
        except FlushError as error:
            raise SweepError(str(error)) from None
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ClientHungError(f"it took more than {timeout_s:g} s") from None
        finally:
            end_command(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if process.returncode:
            raise _error(process.returncode, errors)
        return output

    return run


def _error(code: int, errors: bytes) -> ClientError:
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    match = _ERROR.fullmatch(lines[-1]) if lines else None
    if match is None or (match[2] is None and "." not in match[1]):
        return ClientError(f"exit code {code}", lines[-1] if lines else "")
    package, dot, name = match[1].rpartition(".")
    return ClientError(package.partition(".")[0] + dot + name, match[2] or "")
