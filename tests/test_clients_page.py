"""The page on clients says what the tests of clients say."""

from __future__ import annotations

from tests.clients.table import PAGE, page


def test_the_table_of_clients_is_current() -> None:
    """docs/clients.md has the rows, versions and notes that the tests run with."""
    text = PAGE.read_text()
    assert page(text) == text, "run python -m tests.clients.table"
