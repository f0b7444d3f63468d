"""`tokentape serve` with rules files, as a program: options, hot reload, workers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.processes import children_of
from tokentape_harness.cli.run import run

pytestmark = pytest.mark.slow
FILE = """\
settings: {{seed: 4, strict: true, timing: "synthetic:ttft=1ms,tps=9000", faults: [pings]}}
rules: [{{last_user: hello, scripts: [{0}]}}]
sessions: {{other: {{rules: [{{scripts: [{0} too]}}]}}}}
"""


class Program:
    """The command, running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.announced = self.read_until("Ctrl-C")
        self.url = re.findall(r"http://\S+", self.announced)[0]

    def read_until(self, start: str) -> str:
        """The lines of its output up to the one that begins so."""
        lines = list[str]()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith(start):
                return "".join(lines)
        raise AssertionError(f"it ended: {lines}")

    def ask(self, session: str = "default") -> str:
        """The answer to hello, on a connection of its own."""
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        response = httpx2.post(f"{self.url}/s/{session}/v1/chat/completions", json=body)
        return str(response.raise_for_status().json()["choices"][0]["message"]["content"])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts the command on a free port, with both outputs in one."""
    started = list[subprocess.Popen[str]]()

    def start(*arguments: object) -> Program:
        command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0", *map(str, arguments)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, bufsize=1
        )
        started.append(process)
        return Program(process)

    yield start
    for process in started:
        process.terminate()  # workers end with it
        process.communicate()


def test_a_program_reloads_its_rules_file(serve: Callable[..., Program], tmp_path: Path) -> None:
    """It announces the file, options win over it, a save is served, and a broken one is reported with its line."""
    file = tmp_path / "rules.yaml"
    file.write_text(FILE.format("old"))
    program = serve("rules.yaml", "--timing", "instant", "--no-strict")
    assert "  2 rules of rules.yaml\n" in program.announced
    assert "timing instant\n  faults: pings\n" in program.announced
    settings = httpx2.get(f"{program.url}/_tokentape/sessions/other/settings").json()
    assert (settings["seed"], settings["strict"], settings["timing"]) == (4, False, {"type": "instant"})
    assert (program.ask(), program.ask("other")) == ("old", "old too")
    file.write_text(FILE.format("new"))
    assert "reloaded rules.yaml: 2 rules" in program.read_until("tokentape: reloaded")
    assert (program.ask(), program.ask("other")) == ("new", "new too")
    file.write_text("rules:\n  - lats_user: x\n")
    assert "rules.yaml:2:5: rules[0].lats_user" in program.read_until("tokentape: rules.yaml:2:5")
    assert program.ask() == "new"


def test_each_worker_reloads(serve: Callable[..., Program], tmp_path: Path) -> None:
    """With workers every process has the new rules, also one that replaces another, and one of them reports that."""
    file = tmp_path / "rules.yaml"
    file.write_text(FILE.format("old"))
    program = serve("rules.yaml", "--workers", 2)
    assert {program.ask() for _ in range(20)} == {"old"}
    file.write_text(FILE.format("new"))
    program.read_until("tokentape: reloaded")
    answers = iter(program.ask, None)
    while "old" in {next(answers) for _ in range(40)}:
        pass
    os.kill(children_of(program.process.pid)[0], signal.SIGKILL)
    program.read_until("tokentape: worker")
    while not httpx2.get(f"{program.url}/ready").is_success:
        pass
    assert {program.ask() for _ in range(40)} == {"new"}


def test_files_are_read_once_without_reload(serve: Callable[..., Program], tmp_path: Path) -> None:
    """With --no-reload a change is not served; a second server has it."""
    file = tmp_path / "rules.yaml"
    file.write_text(FILE.format("old"))
    first = serve("rules.yaml", "--no-reload")
    watching = serve("rules.yaml")
    file.write_text(FILE.format("new"))
    watching.read_until("tokentape: reloaded")
    assert (first.ask(), watching.ask()) == ("old", "new")


def test_problems_end_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each problem of a rules file is a line, and the exit code 1; --reload with a store is a misuse."""
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  - {contian: x, scripts: [x]}\n  - {turn: 0, scripts: [x]}\n")
    assert run(["serve", str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" rules[")[0] for line in lines] == [f"tokentape: {file}:2:6:", f"tokentape: {file}:3:12:"]
    assert run(["serve", str(file), "--reload", "--store", "redis://127.0.0.1:1"]) == 2
    assert "--reload and --store" in capsys.readouterr().err
