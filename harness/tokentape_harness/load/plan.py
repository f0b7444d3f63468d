"""A plan: what the users of a load test send, and how many there are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tokentape_harness.errors import LoadError

VARIABLE: Final = "TOKENTAPE_LOAD"


class Plan(msgspec.Struct, frozen=True):
    """`users` are started at `spawn_rate` a second and read streams for `duration` s, `pause` s apart.

    `samples` is the file for what they saw.
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
    processes: int = 1
    settings: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    mark_prompt: bool = False

    @property
    def patience(self) -> float:
        """How long streams that are open at the end may take, in s."""
        return max(30.0, self.duration)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read what `to_json` wrote."""
        return msgspec.json.decode(text, type=cls)

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return msgspec.json.encode(self).decode()


def run_plan(plan: Plan) -> list[str]:
    """Run the plan in a process of its own, since Locust patches sockets and locks; return Locust's warnings.

    Raises `LoadError`.
    """
    locustfile = Path(__file__).with_name("locustfile.py")
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    command += ["--host", plan.url, "--users", str(plan.users), "--spawn-rate", str(plan.spawn_rate)]
    command += ["--exit-code-on-error", "0", "--loglevel", "WARNING"]
    if plan.processes > 1:
        command += ["--processes", str(plan.processes)]
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        command, env={**os.environ, VARIABLE: plan.to_json()}, capture_output=True, text=True, check=False
    )
    lines = [line for line in ran.stderr.splitlines() if line.strip()]
    if ran.returncode:
        raise LoadError(f"Locust ended with exit code {ran.returncode}: {' '.join(lines[-3:])}")
    return [line.partition("WARNING")[2].strip() for line in lines if "WARNING" in line]
