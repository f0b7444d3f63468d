"""What docs/rag.md shows runs, and the table of endpoints is that of the code."""

from __future__ import annotations

import re

from tests.clients.environments import versions
from tests.clients.rag import RAG_APPS
from tests.fake_provider.endpoints.table import PAGE, page
from tests.pages import block_with, page_text, run
from tokentape_fake_provider import Session

TEXT = page_text("docs/rag.md")


def test_the_app_of_the_page_runs() -> None:
    """It embeds, finds the passage and gets the cited answer."""
    assert run(block_with(TEXT, "passages ="))["best"] == 0


def test_the_scripts_of_the_page_are_valid() -> None:
    """They can be queued and ruled."""
    session = run(block_with(TEXT, "session.push"))["session"]
    assert isinstance(session, Session)
    assert (len(session.queue), len(session.rules)) == (4, 2)


def test_the_apps_of_the_page_are_those_that_run() -> None:
    """Each with the version that is tested, and whether a script gives its answer."""
    rows = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE)
    shown = {(package, version, wire, "scripted" in answer) for package, version, wire, answer in rows}
    assert shown == {(app.package, versions(app.environment)[app.package], app.wire, app.scripted) for app in RAG_APPS}


def test_the_table_of_endpoints_is_current() -> None:
    """docs/wire-formats.md lists what is served, under which paths."""
    text = PAGE.read_text()
    assert page(text) == text, "run python -m tests.fake_provider.endpoints.table"
