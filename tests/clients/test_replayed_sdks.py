"""Programs of agent SDKs replay what they recorded: in another folder, without the provider."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.clients.environments import NODE, command
from tests.environments import UnavailableError
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

PROGRAMS: Final[Mapping[str, tuple[str, Sequence[Mapping[str, object]]]]] = {
    "openai_agents_driver": (
        "openai_agents",
        [{"wire": "openai_responses", "case": "loop"}, {"wire": "openai_chat", "case": "streamed"}],
    ),
    "langgraph_driver": (
        "langgraph",
        [{"wire": "openai_chat", "case": "graph"}, {"wire": "openai_chat", "case": "parallel"}],
    ),
    "ai_driver": (NODE, [{"wire": "openai_responses", "tools": True, "stream": True}]),
}
"""The environment of each driver, and its jobs, one after the other: to start it takes seconds."""


@pytest.mark.parametrize("driver", PROGRAMS)
def test_a_program_replays_elsewhere(driver: str, tmp_path: Path) -> None:
    """It prints the same in another folder with the first one gone and the provider down, and records nothing more."""
    environment, jobs = PROGRAMS[driver]
    try:
        program = command(environment, driver)
    except UnavailableError as error:
        pytest.skip(str(error))
    cassettes, first, second = tmp_path / "cassettes", tmp_path / "first", tmp_path / "elsewhere" / "second"
    # The driver reads its jobs, with the proxy's address, from standard input.
    given = "\n".join(json.dumps({**job, "root": "{proxy}/openai"}) for job in jobs)
    shell = ["sh", "-c", 'printf "%s\\n" "$1" | { shift; "$@"; }', "sh", given, *program]

    def run(folder: Path, upstream: str) -> str:
        folder.mkdir(parents=True)
        done = subprocess.run(
            [sys.executable, "-m", "tokentape_harness.cli", "record", "--cassettes", str(cassettes), "--", *shell],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "OPENAI_BASE_URL": f"{upstream}/v1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert ["error" in result for result in results] == [False] * len(jobs), done.stdout
        return done.stdout

    with FakeProviderServer() as server:
        recorded = run(first, server.url)
    shutil.rmtree(first)
    before = (cassettes / "openai.yaml").read_bytes()
    assert run(second, server.url) == recorded
    assert (cassettes / "openai.yaml").read_bytes() == before
