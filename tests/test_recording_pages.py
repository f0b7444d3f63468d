"""What docs/recording.md and docs/cassettes.md show runs, and what they list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest

from tests.test_docs import REPOSITORY, block_with, run
from tokentape_fake_provider.tape import End
from tokentape_harness import FakeProvider, read_cassette
from tokentape_harness.lint import PROBLEM_KINDS
from tokentape_harness.proxy.server import MODES
from tokentape_harness.recording.use_cassette import Options
from tokentape_harness.testing.sdk_environment import providers

RECORDING = (REPOSITORY / "docs" / "recording.md").read_text()
CASSETTES = (REPOSITORY / "docs" / "cassettes.md").read_text()


def test_the_first_example_records_and_replays(
    fake_provider_env: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's first block records on its first run, and asks nobody on its second."""
    monkeypatch.chdir(tmp_path)
    fake_provider_env.script("Hello to you")
    for _ in range(2):
        run(block_with(RECORDING, "use_cassette("), openai=openai, messages=[{"role": "user", "content": "Hello"}])
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


def test_the_modes_and_the_providers_without_a_variable_are_told() -> None:
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
    assert rules.text[-1].pattern.search("Dear Anna,")
    assert list(tmp_path.iterdir()) == []
