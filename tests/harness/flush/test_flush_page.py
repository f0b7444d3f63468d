"""The statements of docs/flush.md are true."""

from __future__ import annotations

import re
import shlex
from typing import get_args

import pytest

from tests.docs_site.runnable import blocks
from tests.harness.flush import apps
from tests.pages import block_with, page_text, run
from tokentape_harness.cli.commands import COMMANDS
from tokentape_harness.flush import FlushReport, Verdict
from tokentape_harness.flush.report import TruncationOutcome

FLUSH_CHECK = next(command for command in COMMANDS if command.name == "flush-check")
PAGE = page_text("docs/flush.md")
TOUR = page_text("docs/tour.md")


@pytest.mark.slow
def test_the_test_of_the_page(flush_probe):
    """The tests that the page and the tour show pass on an app of our own responses."""
    for block in (block_with(PAGE, "test_the_chat_flushes"), block_with(TOUR, "test_the_chat_flushes")):
        run(block, app=apps.starlette_app())["test_the_chat_flushes"](flush_probe)


def test_the_commands_of_the_page():
    """Every command of the page and the tour is one that the command line takes."""
    command = FLUSH_CHECK.load()
    found = [block.text for block in (*blocks(PAGE), *blocks(TOUR)) if block.language == "console"]
    lines = [line.partition("#")[0] for text in found for line in text.splitlines() if "flush-check" in line]
    assert len(lines) == 16
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
