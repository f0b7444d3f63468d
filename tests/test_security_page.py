"""Each promise of SECURITY.md names a test, and the test is there."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "SECURITY.md").read_text()
NAMED = re.findall(r"\[`(test_\w+)`\]\(([\w/.]+)\)", PAGE)


def test_each_named_test_is_there() -> None:
    """A test that a promise names is in the file that the promise links to."""
    gone = [name for name, file in NAMED if f"def {name}(" not in (REPOSITORY / file).read_text()]
    assert gone == []
    assert len(NAMED) == len(re.findall(r"`test_\w+`", PAGE))


def test_each_promise_names_a_test() -> None:
    """Each row that forbids something, or that says what is never written, names how that is shown."""
    tables = re.findall(r"^(\|.*shown by \|)\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert len(tables) == 2
    for head, rows in tables:
        columns = [name.strip() for name in head.strip("|").split("|")]
        for row in rows.splitlines():
            cells = dict(zip(columns, (cell.strip() for cell in row.strip("|").split("|")), strict=True))
            promises = cells.get("may not", "") or cells.get("where it never is", "")
            assert not promises or "`" in cells["shown by"], row


def test_each_command_is_there() -> None:
    """Each benchmark and target that the page names to repeat a figure exists."""
    for name in re.findall(r"python -m bench (\w+)", PAGE):
        assert (REPOSITORY / "bench" / f"{name}.py").exists()
    makefile = (REPOSITORY / "Makefile").read_text()
    for name in re.findall(r"`make ([\w-]+)`", PAGE):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE)
