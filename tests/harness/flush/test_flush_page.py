"""The statements of docs/flush.md are true."""

from __future__ import annotations

import re
import shlex
from typing import get_args

import pytest

from tests.harness.flush import apps
from tests.test_docs import REPOSITORY, TOUR, block_with, code_blocks, run
from tokentape_harness.cli.commands import COMMANDS
from tokentape_harness.flush import FlushReport, Verdict
from tokentape_harness.flush.report import TruncationOutcome

FLUSH_CHECK = next(command for command in COMMANDS if command.name == "flush-check")
PAGE = (REPOSITORY / "docs" / "flush.md").read_text()


@pytest.mark.slow
def test_the_test_of_the_page(flush_probe):
    """The tests that the page and the tour show pass on an app of our own responses."""
    for text in (PAGE, TOUR):
        run(block_with(text, "test_the_chat_flushes"), app=apps.starlette_app())["test_the_chat_flushes"](flush_probe)


def test_the_commands_of_the_page():
    """Every command of the page and the tour is one that the command line takes."""
    command = FLUSH_CHECK.load()
    blocks = [*code_blocks(PAGE, "console"), *code_blocks(TOUR, "console")]
    lines = [line.partition("#")[0] for block in blocks for line in block.splitlines() if "flush-check" in line]
    assert len(lines) == 12
    for line in lines:
        _, name, _, *arguments = shlex.split(line)
        assert name == "tokentape"
        command.make_context("flush-check", arguments)


def test_the_options_of_the_page():
    """Every option of the page is one of the command."""
    command = FLUSH_CHECK.load()
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"`(--?[a-zA-Z-]+)", PAGE)) - known == set()


def test_the_verdicts_of_the_page():
    """The tables have every verdict, and everything that becomes of a cut."""
    rows = re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted({*get_args(Verdict), *get_args(TruncationOutcome)} - {"not_checked"})


def test_the_json_of_the_page(flush_probe):
    """Every field of the JSON is described."""
    report = flush_probe.check(apps.tokens)
    page = PAGE[PAGE.index("## JSON") :]
    assert all(f"`{name}`" in page for name in report.to_builtins())
    assert isinstance(report, FlushReport)
