"""What docs/filters.md shows runs and prints what it says."""

from __future__ import annotations

import pytest

from tests.pages import block_with, page_text, run

PAGE = page_text("docs/filters.md")


def test_each_block_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing but the library."""
    shown = "Write to [removed]. Her key is [removed]."
    run(block_with(PAGE, "hold_to("))
    assert capsys.readouterr().out == f"{shown}{shown} Write to jo@example.com. Her key is sk-123456.\n"
    run(block_with(PAGE, "def without_tool_calls"))
    shown = capsys.readouterr().out
    assert "I will write to Jo." in shown
    assert "jo@example.com" not in shown
    run(block_with(PAGE, "NoShouting"))
    assert capsys.readouterr().out == "hello [calm down]\n"
    run(block_with(PAGE, "smooth("))
    assert capsys.readouterr().out == "Three words burst"
