"""What `tokentape serve` prints at its end, and what --explain prints of a request that no recording answers."""

# ruff: noqa: E501 - messages are one line each

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from inline_snapshot import snapshot

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_harness.cli.serve_report import ServeReport

CASSETTE = Path(__file__).parents[3] / "cassettes" / "openai_chat" / "text.yaml"


def body(system: str = "Today is 2026-11-30.\nLoad: 12", question: str = "Hi", **more: Any) -> dict[str, Any]:
    """A request."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return {"model": "m", "messages": messages, **more}


def reported(*bodies: dict[str, Any], explain: bool = False, strict: bool = True) -> tuple[list[str], list[str]]:
    """The explanations, and the closing lines with one recording."""
    explained: list[str] = []
    report = ServeReport(explained.append, explain=explain)
    tape = Tape((Frame(900.0, b"{}"),), end_at=1000.0)
    recording = Recording(tape, "/v1/chat/completions", body(), wire="openai_chat", source="a.yaml", interaction=0)
    with FakeProviderServer(ended=report) as server, httpx2.Client(base_url=server.url) as client:
        report.sessions = server.sessions
        server.default.configure(strict=strict, repeat=True)
        server.default.add_recordings([recording])
        for one in bodies:
            client.post("/v1/chat/completions", json=one)
        client.post(
            "/v1/messages", json={"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
        )
        client.get("/v1/models")
        server.default.push("queued")
        client.post("/v1/chat/completions", json=body("queued"))
        server.default.journal.wait()
    return explained, [re.sub(r"\d\.\d s", "N s", line) for line in report.close()]


@pytest.mark.parametrize("strict", [True, False])
def test_the_closing_lines_count_by_wire(strict: bool) -> None:
    """Replayed and unmatched requests are counted; queues, rules and lists of models are not."""
    assert reported(body(), body(), body("Today is 2027-01-01.\nLoad: 12"), body(question="Bye"), strict=strict) == (
        [],
        [
            "openai_chat: 0 recorded, 3 replayed, 1 unmatched, N s saved",
            "anthropic_messages: 0 recorded, 0 replayed, 1 unmatched, N s saved",
        ],
    )


def test_explanations_name_each_field_and_the_flag_that_helps() -> None:
    """All fields that differ from the nearest recording are listed, but not what is volatile anyway."""
    lines, _ = reported(body("Today is 2027-01-01.\nLoad: 77", temperature=1), body(question="Bye"), explain=True)
    assert lines == snapshot(
        [
            'a.yaml, interaction 0: messages[0].content was "Today is <date>.\\nLoad: 12", now "Today is <date>.\\nLoad: 77": --ignore-text \'Load: \\d+\'',
            "a.yaml, interaction 0: temperature was (absent), now 1: --ignore-path '$.temperature'",
            'a.yaml, interaction 0: messages[1].content was "Hi", now "Bye": tokentape record --mode new_episodes records it',
            "POST /v1/messages: no recording is near",
        ]
    )


@pytest.mark.slow
def test_serve_prints_them_at_its_end(tmp_path: Path) -> None:
    """SIGINT ends serve, which reports on stderr; without cassettes there is nothing to report."""
    recorded = yaml.safe_load(CASSETTE.read_text())["interactions"][0]["request"]["body"]
    for options in ([str(CASSETTE), "--explain"], []):
        command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0", "--strict", *options]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdout is not None
            url = next(line for line in process.stdout if "http" in line).split()[-1]
            while "Ctrl-C" not in process.stdout.readline():
                pass
            httpx2.post(f"{url}/v1/chat/completions", content=recorded)
            httpx2.post(f"{url}/v1/chat/completions", json={**body(), "stream": True})
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        closing = "tokentape: openai_chat: 0 recorded, 1 replayed, 1 unmatched, " in errors
        assert (closing, "messages[0]" in errors) == (bool(options), bool(options))
