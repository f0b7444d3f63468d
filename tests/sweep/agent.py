"""Agent: pydantic-ai in its own environment, as a sweep's client over a socket."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.clients.environments import command, versions
from tokentape_fake_provider.faults.fault import SlowHeaders, Stall
from tokentape_harness import FakeProvider
from tokentape_harness.sweep.run import Client, ClientError

NAME = "pydantic-ai"
ENVIRONMENT, DRIVER = "pydantic_ai", "pydantic_ai_agent_driver"
TIMEOUT_S, PATIENCE_S = 0.3, 5.0
"""The client's own timeout where the server falls silent, and how long that waits for it."""
_BUSY_S = 30.0


def version() -> str:
    """Its pinned version."""
    return f"{NAME} {versions(ENVIRONMENT)['pydantic-ai-slim']}"


@contextmanager
def agent(wire: str) -> Iterator[Client]:
    """The agent for a wire format, in one process. Raises `UnavailableError`."""
    process = subprocess.Popen(
        command(ENVIRONMENT, DRIVER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def call(provider: FakeProvider) -> Any:
        silent = any(isinstance(fault, Stall | SlowHeaders) for fault in provider.session.settings.faults)
        timeout = TIMEOUT_S if silent else _BUSY_S  # a busy machine is no silent server
        stdin.write(json.dumps({"root": provider.url, "wire": wire, "timeout": timeout}) + "\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        if "error_class" in answer:
            raise ClientError(answer["error_class"], answer["message"])
        return answer

    try:
        yield call
    finally:
        stdin.close()
        process.wait(10)
        stdout.close()
