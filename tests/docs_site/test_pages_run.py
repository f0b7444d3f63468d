"""What the README, the tutorials and the guides to migration show works in an empty folder, from the wheel alone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.docs_site.runnable import Command, blocks, run_page, steps
from tests.pages import REPOSITORY, claimed, claims, page_text

PAGES = [
    page.relative_to(REPOSITORY).as_posix() for page in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"))
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page_text(page))])
def test_a_page_runs(page: str, tmp_path: Path, clean_environment: Callable[[], dict[str, str]]) -> None:
    """Each file of the page is written and each command runs, in order; what they print is what the page shows."""
    text, taken = page_text(page), claimed().get(page, ())
    if not list(steps(text, taken)):
        return
    folder = tmp_path / "empty"
    folder.mkdir()
    differences = run_page(text, folder, clean_environment(), taken)
    assert not differences, "\n\n".join(differences)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str) -> None:
    """Each block of code is a step of its page, or is taken by a test, or says why neither; no indent hides one."""
    text = page_text(page)
    list(steps(text, claimed().get(page, ())))
    parsed = MarkdownIt().enable("table").parse(text)
    assert [one.content for one in parsed if one.type == "code_block"] == []
    assert [one.content for one in parsed if one.type == "fence"] == [block.text for block in blocks(text)]
    reasons = [block.remark.partition("not run:")[2] for block in blocks(text) if block.remark.startswith("not run")]
    assert all(reason.strip() for reason in reasons)


@pytest.mark.slow
def test_a_difference_is_found(tmp_path: Path) -> None:
    """A wrong output, a wrong exit code and a missing program each fail the page, and nothing else does."""
    page = (
        "<!-- first: given=one -->\n"
        '```python title="a/b.py"\nprint(6 * 7)\n```\n\n```console\n$ cat a/b.py\nprint(6 * ...)\n'
        "$ echo $given; echo two\n"
        "...\ntwo\n$ echo wrong\nright\n$ no-such-program\n```\n\n<!-- exit code: 3 -->\n```console\n$ (exit 3)\n```\n"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    differences = run_page(page, tmp_path, environment)
    assert [one.splitlines()[0] for one in differences] == ["$ echo wrong", "$ no-such-program"]
    found = [one for one in steps(page) if isinstance(one, Command)]
    assert [one.code for one in found] == [0, 0, 0, 0, 0, 3]


@pytest.mark.slow
def test_a_page_that_does_not_end_leaves_no_server(tmp_path: Path) -> None:
    """A page that takes too long is ended by a signal at which its commands end what they have started."""
    started, serve = tmp_path / "server", "trap 'kill $!; exit' TERM\nsetsid sleep 600 &\necho $! >server\nwait\n"
    page = f'```bash title="serve.sh"\n{serve}```\n\n```console\n$ bash serve.sh\n```\n'

    def until_it_serves(shell: subprocess.Popen[bytes]) -> None:
        while not (started.exists() and started.read_text().endswith("\n")):
            with suppress(subprocess.TimeoutExpired):
                shell.wait(0.05)
        raise subprocess.TimeoutExpired("bash", 0)

    (difference,) = run_page(page, tmp_path, {"PATH": "/usr/bin:/bin"}, ended=until_it_serves)
    assert "ended with nothing, not 0" in difference
    while is_running(int(started.read_text()), "sleep"):  # it has got its signal, and may not yet have run since
        time.sleep(0.01)


def is_running(process: int, program: str) -> bool:
    """Whether this process runs that program; not if it is a zombie, or another process."""
    try:
        return program.encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def test_what_takes_a_block() -> None:
    """A function that asks for a block takes it; a text that mentions it, or an import, does not."""
    taken = 'PAGE = page_text("docs/filters.md")\ndef test_it():\n    run(block_with(PAGE, "NoShouting"))\n'
    ((page, (block,)),) = claims(taken)
    assert (page, "class NoShouting" in block) == ("docs/filters.md", True)
    assert list(claims(taken.replace("run(block_with", "str('block_with").replace("))", ")')"))) == []
    with pytest.raises(ValueError, match="unpack"):
        list(claims(taken.replace("NoShouting", "no such block")))


def test_a_block_without_a_title_is_refused() -> None:
    """A block of Python that nobody runs is a mistake of the page."""
    with pytest.raises(ValueError, match="without a title"):
        list(steps("```python\nprint()\n```\n"))
    assert list(steps("<!-- not run: it is an idea -->\n```python\nprint()\n```\n")) == []
    assert list(steps("```python\nprint()\n```\n", {"print()\n"})) == []
    with pytest.raises(ValueError, match="no command after"):
        list(steps('```python title="a.py"\nprint()\n```\n'))
    with pytest.raises(ValueError, match="no language"):
        list(steps("```\nls\n```\n"))
