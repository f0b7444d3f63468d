"""The tests that docs/testing.md and docs/verdict.md show run as the pages have it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tokentape_harness import FakeProvider

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "testing.md").read_text()


def shown(page: str, name: str) -> Any:
    """The test of this name that a page shows."""
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if f"def {name}(" in block]
    named: dict[str, Any] = {}
    exec(compile(block, name, "exec"), named)
    return named[name]


def test_expected_requests(fake_provider: FakeProvider) -> None:
    """The test of two questions fails at its end with the page's message."""
    shown(PAGE, "test_two_questions")(fake_provider)
    (message,) = re.findall(r"^    (expected requests that never came: .*)$", PAGE, re.MULTILINE)
    with pytest.raises(AssertionError) as failed:
        fake_provider.finish()
    assert str(failed.value) == message


@pytest.mark.slow
def test_project() -> None:
    """The test of a plugin passes."""
    shown(PAGE, "test_my_plugin")()


def test_verdict(fake_provider: FakeProvider) -> None:
    """The test of a resilient chat passes."""
    shown((REPOSITORY / "docs" / "verdict.md").read_text(), "test_my_chat_is_resilient")(fake_provider)
