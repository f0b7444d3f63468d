"""What the README and the pages say is so: their code runs, their tables agree with the recordings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs_site.sources import CODE
from tests.corpus import ROOT, WIRES, all_items
from tests.corpus_expectations import DIFFERENCES
from tokentape import UnknownWireError, stream_bytes
from tokentape_harness import FakeProvider

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
TOUR = (REPOSITORY / "docs" / "tour.md").read_text()
PAGES = [p.relative_to(REPOSITORY).as_posix() for p in sorted((REPOSITORY / "docs").rglob("*.md"))]


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def block_with(text: str, mark: str) -> str:
    """The one Python block that contains `mark`."""
    (found,) = [block for block in code_blocks(text, "python") if mark in block]
    return found


def run(code: str, **names: Any) -> dict[str, Any]:
    """Run a block, and return what it defined."""
    exec(compile(code, "README.md", "exec"), names)
    return names


def test_the_first_two_commands() -> None:
    """Beside pip install, the README's first two commands are `make demo` and `make test`."""
    commands = [line for block in code_blocks(README, "console") for line in block.splitlines()]
    assert commands[:3] == ["pip install 'tokentape[all]'", "make demo", "make test"]


def test_the_readme_is_short_and_its_picture_is_measured() -> None:
    """The README has two screens, and the lines of its sweep are those that were measured for docs/sweep.md."""
    assert len(README.splitlines()) <= 155
    (picture,) = code_blocks(README, "text")
    measured = (REPOSITORY / "docs" / "sweep.md").read_text().partition("<!-- openai_chat/text.yaml openai -->")[2]
    assert set(picture.splitlines()) < set(measured.partition("<!-- end -->")[0].splitlines())


def test_the_chat_feature_of_the_tour(fake_provider_env: FakeProvider) -> None:
    """The first test that the tour shows passes."""
    run(block_with(TOUR, "def test_answer"))["test_answer"](fake_provider_env)


def test_the_scripts_of_the_tour(fake_provider: FakeProvider) -> None:
    """Everything that the tour says a script can contain is accepted."""
    code = block_with(TOUR, "Cut short").replace('"walk.yaml"', "walk")
    run(code, fake_provider=fake_provider, walk=REPOSITORY / "cassettes" / "openai_chat" / "walk.yaml")
    assert len(fake_provider.session.queue) == 5


def test_reading_as_in_the_tour(fake_provider_env: FakeProvider, capsys: pytest.CaptureFixture[str]) -> None:
    """The tour's loop prints the stream, calls back, and leaves the output."""
    fake_provider_env.script("Hello to you")
    named = run(block_with(TOUR, "stream.add_callback"))
    assert capsys.readouterr().out == "Hello to you\ncomplete: Hello to you ()\n"
    assert named["output"].finish_reason == "stop"
    named["provider"].close()


def test_the_wire_of_ones_own() -> None:
    """The blocks of docs/own-wire.md are all of the wire format that is tested as a package of its own."""
    blocks = code_blocks((REPOSITORY / "docs" / "own-wire.md").read_text(), "python")
    module = (REPOSITORY / "tests" / "plugins" / "toy_wire.py").read_text()
    assert sum(len(block.split()) for block in blocks) == len(module.partition('"""\n\n')[2].split())
    assert [block for block in blocks if block.strip() not in module] == []


def links(page: Path) -> Iterator[Path]:
    """The files that a page links to."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", CODE.sub("", page.read_text())):
        # The pages of reference/ are generated for the site, whose build is strict about links.
        if "://" not in target and "reference/" not in target:
            yield page.parent / target


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", *PAGES])
def test_links_lead_somewhere(page: str) -> None:
    """Every file that a page links to is there."""
    missing = [str(target) for target in links(REPOSITORY / page) if not target.exists()]
    assert not missing


def test_the_table_of_wire_formats() -> None:
    """docs/wire-formats.md counts the recordings as they are, and names every deliberate difference."""
    if not all_items():
        pytest.skip(f"no recorded streams at {ROOT}: set TOKENTAPE_CORPUS")
    page = (REPOSITORY / "docs" / "wire-formats.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    told = {name: (int(count), int(differ)) for name, count, differ in rows}
    counted = Counter(WIRES[i.wire_format] for i in all_items() if i.wire_format in WIRES and i.kind == "stream")
    differing = Counter(WIRES[i.wire_format] for i in all_items() if i.id in DIFFERENCES)
    assert told == {wire: (count, differing[wire]) for wire, count in counted.items()}
    assert set(re.findall(r"^\| `([a-z]+-[0-9a-f]{10})` \|", page, re.MULTILINE)) == set(DIFFERENCES)


def test_what_is_refused() -> None:
    """Recordings of formats that are no wire of ours are refused by name, and counted in the docs."""
    if not all_items():
        pytest.skip(f"no recorded streams at {ROOT}: set TOKENTAPE_CORPUS")
    refused = [item for item in all_items() if item.wire_format not in WIRES]
    for item in refused:
        with pytest.raises(UnknownWireError, match=item.wire_format):
            stream_bytes(item.body, item.wire_format)
    page = (REPOSITORY / "docs" / "wire-formats.md").read_text()
    assert f"{len(refused)} recordings of other formats" in page


@pytest.mark.parametrize(
    "page",
    [p.relative_to(REPOSITORY).as_posix() for p in sorted(REPOSITORY.glob("*.md"))] + PAGES,
)
def test_prose_wraps(page: str) -> None:
    """No line of prose is longer than 120 characters; tables and code may be."""
    long, code = [], False
    for number, line in enumerate((REPOSITORY / page).read_text().splitlines(), 1):
        code ^= line.lstrip().startswith("```")
        if len(line) > 120 and not code and not line.startswith(("|", "    ", "#")):
            long.append(number)
    assert long == []
