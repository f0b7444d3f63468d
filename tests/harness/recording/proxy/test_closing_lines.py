"""What `tokentape record` prints at the end, and its exit code."""

# ruff: noqa: E501 - messages are one line each

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cli import main

# Asks with nothing but the standard library; an error is printed, and not a failure of the program.
ASK = """
import os, sys, urllib.error, urllib.request
for word in sys.argv[1:]:
    variable, _, text = word.partition("=")
    path = {"OPENAI_BASE_URL": "/chat/completions", "ANTHROPIC_BASE_URL": "/v1/messages"}[variable]
    body = '{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "%s"}]}' % text
    request = urllib.request.Request(os.environ[variable] + path, body.encode(), {"content-type": "application/json"})
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        print(error.code)
"""


class Ran(NamedTuple):
    """An exit code, and what was printed."""

    code: object
    out: str
    err: str


@pytest.fixture
def upstream() -> Iterator[FakeProviderServer]:
    """A provider."""
    with FakeProviderServer() as server:
        yield server


@pytest.fixture
def record(
    upstream: FakeProviderServer, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Runs `tokentape record` with a command, which asks what these words say."""
    monkeypatch.chdir(tmp_path)

    def run(
        *words: str, options: tuple[str, ...] = (), command: tuple[str, ...] | None = None, saved: bool = False
    ) -> Ran:
        upstreams = ("--upstream", f"openai={upstream.url}/v1", "--upstream", f"anthropic={upstream.url}")
        program = command or (sys.executable, "-c", ASK, *words)
        with pytest.raises(SystemExit) as ended:
            main(["record", "--cassettes", "tapes", *upstreams, *options, "--", *program])
        captured = capfd.readouterr()
        err = captured.err.replace(upstream.url, "URL")
        return Ran(ended.value.code, captured.out, err if saved else re.sub(r"[\d.]+ s saved", "N s saved", err))

    return run


NONE = ("--mode", "none")


def test_a_line_for_each_provider(record: Callable[..., Ran]) -> None:
    """Each provider that had requests has its line, with what was recorded and replayed."""
    first = record("OPENAI_BASE_URL=one", "OPENAI_BASE_URL=two", "ANTHROPIC_BASE_URL=one")
    assert first == (
        0,
        "",
        snapshot("""\
tokentape: openai: 2 recorded, 0 replayed, 0 unmatched, N s saved
tokentape: anthropic: 1 recorded, 0 replayed, 0 unmatched, N s saved
"""),
    )
    again = record("OPENAI_BASE_URL=one", "OPENAI_BASE_URL=three")
    assert again == (0, "", snapshot("tokentape: openai: 1 recorded, 1 replayed, 0 unmatched, N s saved\n"))


@pytest.mark.slow
def test_requests_without_a_recording_fail(record: Callable[..., Ran]) -> None:
    """A replay with unmatched requests fails though its command does not, unless that is allowed."""
    record("OPENAI_BASE_URL=one")
    failed = record("OPENAI_BASE_URL=one", "OPENAI_BASE_URL=two", options=NONE)
    assert failed == (
        1,
        "409\n",
        snapshot("""\
tokentape: tapes/openai.yaml: Nearest recording: interaction 0 (POST URL/v1/chat/completions), where llm_body: messages[0].content was "one", now "two" (--mode new_episodes adds it, --explain lists all that differs)
tokentape: openai: 0 recorded, 1 replayed, 1 unmatched, N s saved
tokentape: failed: 1 request had no recording (--mode new_episodes records them, --allow-unmatched accepts them)
"""),
    )
    allowed = record("OPENAI_BASE_URL=two", options=(*NONE, "--allow-unmatched"))
    assert (allowed.code, allowed.err.splitlines()[-1]) == (
        0,
        snapshot("tokentape: openai: 0 recorded, 0 replayed, 1 unmatched, N s saved"),
    )


@pytest.mark.slow
def test_an_explanation(record: Callable[..., Ran]) -> None:
    """With `--explain` each difference from the nearest recording is listed before the error, with its flag."""
    record("OPENAI_BASE_URL=one")
    explained = record("OPENAI_BASE_URL=two", options=(*NONE, "--explain"))
    assert explained.err.splitlines()[0] == snapshot(
        'tokentape: tapes/openai.yaml: messages[0].content was "one", now "two": --mode new_episodes records it'
    )


@pytest.mark.slow
def test_the_commands_own_code_stays(record: Callable[..., Ran]) -> None:
    """The exit code of a command that fails by itself is passed on."""
    record("OPENAI_BASE_URL=one")
    failing = (sys.executable, "-c", ASK + "sys.exit(7)", "OPENAI_BASE_URL=two")
    assert record(options=NONE, command=failing).code == 7


@pytest.mark.parametrize("mode", ["new_episodes", "none"])
def test_a_command_that_sends_nothing(mode: str, record: Callable[..., Ran]) -> None:
    """A command that sent no request is reported: it probably does not know the proxy."""
    record("OPENAI_BASE_URL=one")
    quiet = record(options=("--mode", mode), command=(sys.executable, "-c", "print('done')"))
    done = "replayed" if mode == "none" else "recorded"
    assert (quiet.code, quiet.out) == (0, "done\n")
    assert quiet.err.replace(done, "DONE").replace(Path(sys.executable).name, "python") == snapshot(
        "tokentape: warning: python sent no request to the proxy, so nothing was DONE: if it does not read OPENAI_BASE_URL and its kin, give it the base URL by a placeholder such as {openai} in COMMAND (docs/agents.md)\n"
    )


def test_an_upstream_that_is_down(record: Callable[..., Ran], upstream: FakeProviderServer) -> None:
    """A request without a response counts as failed."""
    url = upstream.url
    upstream.stop()
    ran = record("OPENAI_BASE_URL=one", options=("--upstream", f"openai={url}/v1"))
    assert (ran.out, ran.err.splitlines()[-1]) == (
        "502\n",
        snapshot("tokentape: openai: 0 recorded, 0 replayed, 0 unmatched, 1 failed, N s saved"),
    )


@pytest.mark.slow
def test_time_that_a_replay_saves(record: Callable[..., Ran], tmp_path: Path) -> None:
    """The times of the recordings add up."""
    record("OPENAI_BASE_URL=one")
    path = tmp_path / "tapes" / "openai.yaml"
    text = path.read_text()
    start = text.index("end_at: ")
    end = text.index("\n", start)
    path.write_text(f"{text[:start]}end_at: 90000{text[end:]}")
    assert "1 replayed, 0 unmatched, 90.0 s saved" in record("OPENAI_BASE_URL=one", options=NONE, saved=True).err
