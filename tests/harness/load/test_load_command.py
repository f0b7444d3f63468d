"""`tokentape load`, with real users against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.pages import block_with, page_text
from tests.processes import children_of
from tests.servers.site import free_port
from tokentape_fake_provider.faults.fault import CleanEnd
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Error, Script
from tokentape_harness.cli import main
from tokentape_harness.load import plan

PAGE = page_text("docs/load.md")

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[FakeProviderServer]:
    """A server whose streams take a moment."""
    with FakeProviderServer() as running:
        running.default.configure(timing="synthetic:ttft=50ms,tps=200")
        yield running


def load(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command: its exit code and its report."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "load", *arguments, "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


@pytest.mark.parametrize(("wire", "processes"), [("openai_chat", 1), ("anthropic_messages", 2)])
def test_users_read_streams(server: FakeProviderServer, tmp_path: Path, wire: str, processes: int) -> None:
    """Every stream that began is read whole and joined with the provider's journal, from each of Locust's processes."""
    page = tmp_path / "load.html"
    url = server.base_url(wire)
    code, report = load(
        *(url, "--users", "4", "--spawn-rate", "50", "--duration", "2", "--wire", wire),
        *("--processes", str(processes), "--html", str(page)),
    )
    server.default.journal.wait()
    entries = server.default.journal.entries
    assert (code, report["requests"], report["complete"]) == (0, len(entries), len(entries))
    assert len(entries) >= 4
    assert report["provider"]["joined"] == len(entries)
    assert report["provider"]["added"]["p50"] > 0
    assert report["time_to_first_token"]["p50"] >= 50
    assert page.read_text().startswith("<!doctype html>")


def test_a_provider_that_starts_with_the_command_has_its_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when both are started one after the other, and the server takes a moment longer."""
    run_plan = plan.run_plan

    def late(one: plan.Plan) -> plan.Ran:
        started.enter_context(FakeProviderServer(port=port))
        return run_plan(one)

    monkeypatch.setattr("tokentape_harness.cli.load.run_plan", late)
    port = free_port()
    with ExitStack() as started, pytest.raises(SystemExit) as ended:
        main(["load", f"http://127.0.0.1:{port}/v1", "-u", "2", "-r", "50", "-t", "0.5", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (ended.value.code, report["provider"]["joined"]) == (0, report["requests"])


def test_a_truncated_stream_fails_the_run(server: FakeProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that ends early is counted as truncated, and the exit code is 1; no error shows the key."""
    monkeypatch.setenv("TEAM_KEY", "the-key-of-team-a")
    refusal = Error(401, message="the key 'the-key-of-team-a' has expired")
    server.default.push(Script.of("a b c d e f g h", faults=(CleanEnd(frame=5),)), Script(error=refusal))
    code, report = load(server.base_url("openai_chat"), "-u", "3", "-r", "50", "-t", "0.5", "--key-env", "TEAM_KEY")
    errors = {"TruncatedStreamError": 1, "AuthenticationError": 1}
    assert (code, report["truncated"], report["errors"]) == (1, 1, errors)
    assert report["requests"] >= 3
    assert report["problems"]["AuthenticationError"].endswith("the key '[redacted]' has expired")


def test_the_duration_ends_the_run_whatever_is_left_to_start(server: FakeProviderServer) -> None:
    """Users that the spawn rate leaves for later than the duration never stream."""
    url = server.base_url("openai_chat")
    code, report = load(url, "-u", "50", "-r", "2", "-t", "1", "--require", "requests<=0")
    assert (code, report["failed"]) == (1, 0)  # by the requirement alone
    assert 1 <= report["requests"] < 40


@pytest.mark.parametrize(("number", "processes"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_run_that_is_ended_early_has_its_report(
    server: FakeProviderServer, tmp_path: Path, number: int, processes: int
) -> None:
    """Ctrl-C and SIGTERM end the run with the report of the streams so far, also of Locust's workers."""
    page = tmp_path / "load.html"
    command = [sys.executable, "-m", "tokentape_harness.cli", "load", server.base_url("openai_chat"), "--json"]
    command += ["-u", "2", "-t", "600", "--processes", str(processes), "--html", str(page)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        server.default.journal.wait(lambda entries: len(entries) >= 6, timeout=100)
        process.send_signal(number)
        report = json.loads(process.communicate()[0])
    assert process.returncode == 128 + number
    assert report["complete"] >= 2
    assert page.exists()


def test_a_run_that_lost_a_process_has_not_passed(server: FakeProviderServer) -> None:
    """The samples of a worker that is killed are missing in the report: one line says so, and the exit code is 1."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "load", server.base_url("openai_chat"), "--json"]
    command += ["-u", "2", "-t", "6", "--processes", "2", "--require", "requests>=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        server.default.journal.wait(lambda entries: len(entries) >= 6, timeout=100)
        (locust,) = children_of(process.pid)
        os.kill(children_of(locust)[0], signal.SIGKILL)
        out, err = process.communicate()
    assert (process.returncode, json.loads(out)["failed"]) == (1, 0)
    assert "1 of 2 processes ended without their samples" in err


# Locust between its start and its handlers of signals: a worker is forked, and nothing would close it.
STARTING = """
import os, signal
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, b"x")
    signal.pause()
os.read(read, 1)
os.kill(os.getppid(), signal.SIGINT)
signal.pause()
"""


def test_a_run_that_is_ended_while_it_starts_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that ends Locust before it can close its workers ends these, and the command does not wait for them."""
    (tmp_path / "locust.py").write_text(STARTING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert plan.run_plan(plan.Plan("http://127.0.0.1:1", "", processes=2)).signal == signal.SIGINT


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["127.0.0.1:1/v1"], "http://"),
        (["http:///v1"], "http://"),
        (["http://127.0.0.1:65536/v1"], "http://"),
        (["http://127.0.0.1:1/v1", "--provider", "127.0.0.1:1"], "--provider"),
        (["http://127.0.0.1:1/v1", "--html", "/"], "is a folder"),
        (["http://127.0.0.1:1/v1", "--wire", "nothing"], "nothing"),
        (["http://127.0.0.1:1/v1", "--html", "/no-such-folder/load.html"], "no folder"),
        (["http://127.0.0.1:1/v1", "--require", "ttft<=1"], "ttft"),
        (["http://127.0.0.1:1/v1", "--provider", "http://127.0.0.1:9"], "no journal of a fake provider"),
    ],
)
def test_what_is_wrong_is_refused_before_the_run(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL without a scheme, a wire format without a client, a folder that is not there: one line, and no request."""
    with pytest.raises(SystemExit) as ended:
        main(["load", *arguments])
    assert ended.value.code in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


def test_nothing_is_there() -> None:
    """Without a server each request fails, and the report has the reason."""
    code, report = load("http://127.0.0.1:9/v1", "-u", "1", "-t", "0.3", "--pause", "0.1")
    assert (code, report["complete"]) == (1, 0)
    assert "Connection refused" in report["problems"]["ConnectionFailedError"]


def test_the_users_of_the_page_run(server: FakeProviderServer, tmp_path: Path) -> None:
    """The page's class is a locustfile whose user reads a stream without a failure."""
    (tmp_path / "locustfile.py").write_text(block_with(PAGE, "class Reader"))
    options = ["--headless", "--users", "1", "--run-time", "5s", "--host", server.url, "--only-summary", "--json"]
    command = [sys.executable, "-m", "locust", "-f", str(tmp_path / "locustfile.py"), *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (question,) = [row for row in json.loads(ran.stdout) if row["name"] == "question"]
    assert (question["num_requests"] > 0, question["num_failures"]) == (True, 0)


def test_users_without_a_host_stream_from_nowhere(tmp_path: Path) -> None:
    """The provider of the wire format's own client would bill the test: the error says what is missing."""
    (tmp_path / "locustfile.py").write_text(block_with(PAGE, "class Reader"))
    program = "from locust.env import Environment; from locustfile import Reader; Reader(Environment())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "LocustError: there is no URL to stream from: give --host" in ran.stderr
