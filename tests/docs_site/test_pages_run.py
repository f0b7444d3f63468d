"""What the README, the tutorials and the guides to migration show works in an empty folder, from the wheel alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from docs_site.sources import REPOSITORY
from tests.docs_site.runnable import Command, blocks, run_page, steps

FOLDERS = ("tutorials", "how-to", "explanation", "migrate")
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "docs" / "index.md",
    *sorted(path for folder in FOLDERS for path in (REPOSITORY / "docs" / folder).glob("*.md")),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page.relative_to(REPOSITORY).as_posix() for page in PAGES])
def test_a_page_runs(page: str, tmp_path: Path, clean_environment: Callable[[], dict[str, str]]) -> None:
    """Each file of the page is written and each command runs, in order; what they print is what the page shows."""
    text = (REPOSITORY / page).read_text()
    if not list(steps(text)):
        return
    folder = tmp_path / "empty"
    folder.mkdir()
    differences = run_page(text, folder, clean_environment())
    assert not differences, "\n\n".join(differences)


@pytest.mark.parametrize("page", [page.relative_to(REPOSITORY).as_posix() for page in PAGES])
def test_what_does_not_run_says_why(page: str) -> None:
    """A block that the tests leave out has its reason before it."""
    for block in blocks((REPOSITORY / page).read_text()):
        assert not block.remark.startswith("not run") or block.remark.removeprefix("not run: ").strip(), block.text


@pytest.mark.slow
def test_a_difference_is_found(tmp_path: Path) -> None:
    """A wrong output, a wrong exit code and a missing program each fail the page, and nothing else does."""
    page = (
        '```python title="a/b.py"\nprint(6 * 7)\n```\n\n```console\n$ cat a/b.py\nprint(6 * ...)\n'
        "$ echo one; echo two\n"
        "...\ntwo\n$ echo wrong\nright\n$ no-such-program\n```\n\n<!-- exit code: 3 -->\n```console\n$ (exit 3)\n```\n"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    differences = run_page(page, tmp_path, environment)
    assert [one.splitlines()[0] for one in differences] == ["$ echo wrong", "$ no-such-program"]
    found = [one for one in steps(page) if isinstance(one, Command)]
    assert [one.code for one in found] == [0, 0, 0, 0, 3]


def test_a_block_without_a_title_is_refused() -> None:
    """A block of Python that nobody runs is a mistake of the page."""
    with pytest.raises(ValueError, match="without a title"):
        list(steps("```python\nprint()\n```\n"))
    assert list(steps("<!-- not run: it is an idea -->\n```python\nprint()\n```\n")) == []
