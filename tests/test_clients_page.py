"""The pages on clients say what the tests of clients say."""

from __future__ import annotations

import re

from tests.clients.table import PAGE, page
from tokentape_harness import sdk_environment


def test_the_table_of_clients_is_current() -> None:
    """docs/clients.md has the rows, versions and notes that the tests run with."""
    text = PAGE.read_text()
    assert page(text) == text, "run python -m tests.clients.table"


def test_the_page_on_sdks_has_their_variables() -> None:
    """docs/how-to/any-sdk.md names each variable that `fake_provider_env` sets, with its value."""
    text = (PAGE.parent / "how-to" / "any-sdk.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `([^`]+)` \|", text, re.MULTILINE)
    shown = {name: url for names, url in rows for name in re.findall(r"`(\w+)`", names)}
    assert shown == sdk_environment("http://127.0.0.1:8089", keys=False)
