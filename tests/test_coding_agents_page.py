"""The page on coding agents says what the tests of coding agents say."""

from __future__ import annotations

from tests.clients.coding_agents import PAGE, page


def test_the_table_of_coding_agents_is_current() -> None:
    """docs/agents.md has the rows and versions that the tests run with."""
    text = PAGE.read_text()
    assert page(text) == text, "run python -m tests.clients.coding_agents"
