"""What docs/filters.md shows runs and prints what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_docs import block_with, run

PAGE = (Path(__file__).parents[1] / "docs" / "filters.md").read_text()


@pytest.mark.parametrize(
    ("block", "printed"),
    [
        (
            "hold_to(",
            (
                "Write to [removed]. Her key is [removed]."
                "Write to [removed]. Her key is [removed]. Write to jo@example.com. Her key is sk-123456.\n"
            ),
        ),
        ("NoShouting", "hello [calm down]\n"),
        ("smooth(", "Three words burst"),
    ],
)
def test_each_block_prints_what_the_page_says(block: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing but the library."""
    run(block_with(PAGE, block))
    assert capsys.readouterr().out == printed
