"""The tests that docs/testing.md and docs/verdict.md show run as the pages have it."""

from __future__ import annotations

import re

import pytest

from tests.pages import block_with, page_text, run
from tokentape_harness import FakeProvider

PAGE = page_text("docs/testing.md")
VERDICT = page_text("docs/verdict.md")


def test_expected_requests(fake_provider: FakeProvider) -> None:
    """The test of two questions fails at its end with the page's message."""
    run(block_with(PAGE, "test_two_questions"))["test_two_questions"](fake_provider)
    (message,) = re.findall(r"^(expected requests that never came: .*)$", PAGE, re.MULTILINE)
    with pytest.raises(AssertionError) as failed:
        fake_provider.finish()
    assert str(failed.value) == message


@pytest.mark.slow
def test_project() -> None:
    """The test of a plugin passes."""
    run(block_with(PAGE, "test_my_plugin"))["test_my_plugin"]()


def test_verdict(fake_provider: FakeProvider) -> None:
    """The test of a resilient chat passes."""
    run(block_with(VERDICT, "test_my_chat_is_resilient"))["test_my_chat_is_resilient"](fake_provider)
