"""A plan: what the users of a load test send, and how many there are."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import msgspec

from tokentape_harness.errors import LoadError

VARIABLE: Final = "TOKENTAPE_LOAD"


class Plan(msgspec.Struct, frozen=True):
    """`users` are started at `spawn_rate` a second and read streams for `duration` s, `pause` s apart.

    A user waits `timeout` s for a response and for each next part of it. `samples` is the file for what they saw.
    """

    url: str
    samples: str
    wire: str = "openai_chat"
    model: str = "gpt-4o-mini"
    prompt: str = "How deep is the sea?"
    users: int = 10
    spawn_rate: float = 10.0
    duration: float = 10.0
    pause: float = 0.0
    timeout: float = 60.0
    processes: int = 1
    settings: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    mark_prompt: bool = False

    @property
    def patience(self) -> float:
        """How long streams that are open at the end may take, in s."""
        return max(self.timeout + 1, self.duration)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read what `to_json` wrote."""
        return msgspec.json.decode(text, type=cls)

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return msgspec.json.encode(self).decode()


LOST_SAMPLES: Final = 64
"""Locust's exit code where one of its processes ended without its samples."""


class Ran(NamedTuple):
    """How a run went: Locust's warnings, the signal that ended it early, and whether samples of its users are lost."""

    warnings: Sequence[str]
    signal: int | None = None
    lost: bool = False


def run_plan(plan: Plan) -> Ran:
    """Run the plan in a process of its own, since Locust patches sockets and locks.

    SIGINT and SIGTERM end the run, and what the users saw until then is in the plan's file; a second one kills it.
    Raises `LoadError`.
    """
    locustfile = Path(__file__).with_name("locustfile.py")
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    command += ["--host", plan.url, "--users", str(plan.users), "--spawn-rate", str(plan.spawn_rate)]
    command += ["--exit-code-on-error", "0", "--loglevel", "WARNING"]
    if plan.processes > 1:
        command += ["--processes", str(plan.processes)]
    none, environment = subprocess.DEVNULL, {**os.environ, VARIABLE: plan.to_json()}
    received: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        # Not SIGINT, which background jobs ignore.
        process.kill() if received else process.terminate()
        received.append(number)

    # A file, not a pipe: workers that outlive their master would keep that open.
    with tempfile.TemporaryFile("w+") as output:
        # A session of its own: a terminal's Ctrl-C reaches it through this process alone.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command, env=environment, stdin=none, stdout=none, stderr=output, start_new_session=True
        )
        previous = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            process.wait()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its own processes, if it ended before it closed them
        output.seek(0)
        lines = [line for line in output.read().splitlines() if line.strip()]
    lost = process.returncode == LOST_SAMPLES
    if process.returncode and not received and not lost:
        raise LoadError(": ".join([f"Locust ended with exit code {process.returncode}", *lines[-3:]]))
    warnings = [line.partition("/WARNING/")[2].partition(": ")[2] for line in lines if "/WARNING/" in line]
    return Ran(warnings, received[0] if received else None, lost)
