"""What docs/recording.md and docs/cassettes.md show runs, and what they list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest
import yaml

from tests.pages import REPOSITORY, block_with, code_blocks, page_text, run
from tokentape_fake_provider.tape import End
from tokentape_harness import FakeProvider, read_cassette, use_cassette
from tokentape_harness.lint import PROBLEM_KINDS
from tokentape_harness.recording.proxy.server import MODES
from tokentape_harness.recording.use_cassette import Options
from tokentape_harness.testing.project_settings import project_settings
from tokentape_harness.testing.sdk_environment import providers

RECORDING = page_text("docs/recording.md")
TRANSCODING = page_text("docs/transcoding.md")
DRIFT = page_text("docs/drift.md")
TOUR = page_text("docs/tour.md")
VERDICT = page_text("docs/verdict.md")
CASSETTES = page_text("docs/cassettes.md")


def test_the_first_example_records_and_replays(
    fake_provider_env: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's first block records on its first run, and asks nobody on its second."""
    monkeypatch.chdir(tmp_path)
    fake_provider_env.script("Hello to you")
    names = {"openai": openai, "messages": [{"role": "user", "content": "Hello"}]}
    for block in (block_with(RECORDING, "use_cassette("), block_with(TOUR, "use_cassette(")):
        run(block, **names)
    assert len(fake_provider_env.requests) == 1
    (interaction,) = read_cassette(tmp_path / "cassettes" / "hello.yaml")
    assert interaction.response.stream is not None
    assert interaction.response.stream.end == "complete"


def test_the_options_are_all_listed() -> None:
    """Each option of ours has its row."""
    rows = set(re.findall(r"^\| `(\w+)` \|", RECORDING, re.MULTILINE))
    assert rows >= {*Options.__struct_fields__, "record_mode", "match_on"}


def test_the_endings_are_all_listed() -> None:
    """Each way in which a recording says that a stream ended has its row."""
    recorded = {"complete", "client_closed", "dropped", "timeout", "open_at_exit"}
    assert recorded <= set(End.__args__)
    table = RECORDING.partition("## How a stream ends")[2].partition("## pytest")[0]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)))) >= recorded


def test_the_kinds_of_problems_are_all_listed() -> None:
    """Each kind that `check` knows has its row."""
    table = CASSETTES.partition("## Check, compare, convert")[2]
    assert [row for row in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) if row in PROBLEM_KINDS] == [
        *PROBLEM_KINDS
    ]


def test_the_modes_and_the_providers_without_a_variable_are_documented() -> None:
    """What the page says of `--mode` and of prefixes is what the proxy takes."""
    proxy = RECORDING.partition("## Programs in any language")[2]
    for mode in MODES:
        assert f"`{mode}`" in proxy
    for name in re.findall(r"`/(\w+)`", proxy):
        assert name in providers()


def test_own_rules_are_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block with rules of one's own makes rules and opens no file."""
    monkeypatch.chdir(tmp_path)
    rules = run(block_with(CASSETTES, "DEFAULT_RULES.adding"))["rules"]
    assert "x-customer" in rules.headers
    assert rules.text[-1].pattern.finditer("Dear Anna,")
    assert list(tmp_path.iterdir()) == []


def test_the_records_of_the_page(tmp_path: Path) -> None:
    """The page's stream and WebSocket are read, with every size, time and frame that they show."""
    streamed, socket = (yaml.safe_load(block) for block in code_blocks(CASSETTES, "yaml"))
    streamed["response"]["body"]["string"] = "x" * streamed["response"]["stream"]["bytes"]
    handshake = {"status": {"code": 101, "message": ""}, "headers": {}, "body": {"string": ""}, **socket}
    requests = [{"method": "GET", "uri": uri, "body": None, "headers": {}} for uri in ("http://a/", "ws://a/")]
    path = tmp_path / "page.yaml"
    responses = (streamed["response"], handshake)
    interactions = [{"request": a, "response": b} for a, b in zip(requests, responses, strict=True)]
    path.write_text(yaml.safe_dump({"version": 1, "interactions": interactions}))
    first, second = read_cassette(path)
    assert first.response.stream is not None
    assert second.response.stream is not None
    assert second.response.stream.websocket is not None
    assert [*first.response.stream.chunks] == [(53, 362), (288, 663), (472, 683)]
    assert len(second.response.stream.websocket.frames) == 3


def test_the_python_of_transcoding(fake_provider: FakeProvider) -> None:
    """A recording is loaded in another provider's format, and transcoded with a list of what is lost."""
    folder = REPOSITORY / "cassettes" / "openai_chat"
    fake_provider._folders = (folder,)
    run(block_with(TRANSCODING, "wire=").replace("openai.yaml", "text.yaml"), fake_provider=fake_provider)
    (interaction,) = read_cassette(folder / "text.yaml")
    block = block_with(TRANSCODING, "transcode(interaction")
    run(block, interaction=interaction)


def test_a_recording_that_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of docs/drift.md opens a cassette."""
    monkeypatch.chdir(tmp_path)
    run(block_with(DRIFT, "expires="), use_cassette=use_cassette)


def test_the_settings_of_a_project(tmp_path: Path) -> None:
    """The table of docs/verdict.md is one of the project's settings."""
    path = tmp_path / "pyproject.toml"
    path.write_text(block_with(VERDICT, "tool.tokentape.report"))
    assert project_settings(tmp_path).report.most_retries == 3
