"""Coding agents replay what they recorded: in another folder, on another day, without the provider."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.clients.coding_agents import CODING_AGENTS, NOTES, CodingAgent
from tests.clients.environments import node_path
from tests.environments import UnavailableError, program, run
from tokentape_fake_provider import Script, Text, ToolCall
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.rule import Rule

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

KEYS: Final = {
    "OPENAI_API_KEY": "sk-proj-planted0123456789abcdefghij",
    "ANTHROPIC_API_KEY": "sk-ant-api03-planted0123456789abcdefg",
    "GEMINI_API_KEY": "AIzaSyPlanted0123456789abcdefghij012345",
}
# Longer than a month, as some prompts name the month alone.
LATER: Final = timedelta(days=35)
DATES: Final = ("%Y-%m-%d", "%B %Y")
_NOWHERE: Final = "http://127.0.0.1:9"


class Machine(NamedTuple):
    """Where an agent runs: the folder of the project, the home and temporary folders, the user."""

    root: Path
    cwd: Path
    home: Path
    temporary: Path
    user: str

    @classmethod
    def at(cls, root: Path, cwd: str, home: str, temporary: str) -> Machine:
        """A machine below a folder of its own."""
        folders = cls(root, root / cwd, root / home, root / temporary, Path(home).name)
        for path in folders[1:4]:
            path.mkdir(parents=True)
        (folders.cwd / "notes.txt").write_text(NOTES)
        return folders

    def run(self, agent: CodingAgent, cassettes: Path, upstream: str, *before: str) -> subprocess.CompletedProcess[str]:
        """Run an agent by `tokentape record`, without options; a command `before` it runs the agent alone."""
        for name, text in agent.files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.home / agent.config[0]).parent.mkdir(parents=True, exist_ok=True)
        variables = {
            "PATH": f"{node_path()}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "USER": self.user,
            "LOGNAME": self.user,
            "TERM": "xterm-256color",
            "HTTP_PROXY": _NOWHERE,
            "HTTPS_PROXY": _NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
            **KEYS,
            **agent.variables,
            agent.provider: upstream + ("/v1" if agent.provider.startswith("OPENAI") else ""),
        }
        record = [sys.executable, "-m", "tokentape_harness.cli", "record", "--cassettes", str(cassettes), "--"]
        return subprocess.run(
            [*record, *agent.command(*before)],
            cwd=self.cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            timeout=300,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("agent", CODING_AGENTS, ids=lambda agent: agent.environment)
def test_an_agent_replays_in_another_folder_on_another_day(agent: CodingAgent, tmp_path: Path) -> None:
    """It prints the same and exits alike with the first machine gone and the provider down; nothing is unmatched."""
    try:
        agent.command()
        ahead = _clock_ahead(tmp_path)
    except UnavailableError as error:
        pytest.skip(str(error))
    cassettes = tmp_path / "cassettes"
    first = Machine.at(tmp_path / "first", "work/proj", "home/alice", "tmp")
    with FakeProviderServer() as server:
        for rule in _rules(agent, first.cwd):
            server.default.add_rule(rule)
        recorded = first.run(agent, cassettes, server.url)
        assert recorded.returncode == 0, recorded.stderr
        upstream = server.url
    shutil.rmtree(first.root)
    _assert_travels(_texts(cassettes), first)
    if not agent.moves_clock:
        _age(cassettes)
    before = _texts(cassettes)
    second = Machine.at(tmp_path / "elsewhere" / "second", "srv/checkouts/project-two", "users/bobby", "temporary")
    replayed = second.run(agent, cassettes, upstream, *(ahead if agent.moves_clock else []))
    assert replayed.returncode == 0, replayed.stderr
    assert _printed(replayed) == _printed(recorded).replace(str(first.cwd), str(second.cwd))
    if agent.tool:
        assert NOTES.strip() in replayed.stdout
    assert _texts(cassettes) == before, "the replay recorded something"


def _clock_ahead(folder: Path) -> Sequence[str]:
    """What runs a command with its clock put forward. Raises `UnavailableError`."""
    library = folder / "clock_ahead.so"
    compiler = program("cc", "the clock of coding agents is put forward by a library that is compiled for it")
    source = Path(__file__).with_name("clock_ahead.c")
    run(compiler, "-shared", "-fPIC", f"-DAHEAD={LATER // timedelta(seconds=1)}", "-o", str(library), str(source))
    return ("env", f"LD_PRELOAD={library}")


def _printed(run: subprocess.CompletedProcess[str]) -> str:
    """What a run printed, without how long its tools took and how its lines were filled up."""
    return " ".join(re.sub(r"\b\d+\.\d+s\b", "", run.stdout).split())


def _rules(agent: CodingAgent, cwd: Path) -> Sequence[Rule]:
    if not agent.tool:
        return ()
    ending = (ToolCall(agent.ending, "{}"),) if agent.ending else ()
    return (
        Rule((Script.of(Text(NOTES.strip()), *ending),), tool_result={"name": agent.tool}),
        Rule(
            (Script.of(Text("I read the file."), ToolCall(agent.tool, agent.arguments_of_call(cwd))),),
            tools=[agent.tool],
        ),
    )


def _age(cassettes: Path) -> None:
    """Put the dates in recorded requests back, instead of the clock forward."""
    today, changed = datetime.now(UTC), 0
    for path in cassettes.iterdir():
        text = path.read_text()
        for form in DATES:
            changed += text.count(today.strftime(form))
            text = text.replace(today.strftime(form), (today - LATER).strftime(form))
        path.write_text(text)
    assert changed


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def _assert_travels(cassettes: dict[str, str], machine: Machine) -> None:
    """Assert that recordings hold nothing of the machine or its user."""
    for text in cassettes.values():
        for personal in (*map(str, machine[:4]), machine.user, *KEYS.values()):
            assert personal not in text, text[max(0, text.find(personal) - 200) : text.find(personal) + 200]
