"""Regular expressions of the source."""

from __future__ import annotations

import re
from pathlib import Path

ROOTS = ("src", "fake_provider", "harness", "conformance")


def test_no_possessive_group_that_old_pythons_get_wrong() -> None:
    """Python before 3.11.5 matches too much by `(?:A++|"...")*+`; without a group inside, `(?:A++|B)*+` is right."""
    right = r"(?:[^...]++|\\.)*+", r"(?:[^...]|\\.)*+"  # the inside of a string literal, or of a class
    found = []
    for path in (path for root in ROOTS for path in Path(__file__).parents[1].joinpath(root).rglob("*.py")):
        for line in path.read_text().splitlines():
            compact = re.sub(r"\[\^(?:\\.|[^\]\\])+\]", "[^...]", line)
            for known in right:
                compact = compact.replace(known, "")
            if re.search(r"""\)(?:\*|\+|\?|\{\d*,?\d*\})\+[^"' +=\w]*["'\]()|[{\\]""", compact):
                found.append(f"{path.name}: {line.strip()}")
    assert found == []
