"""What the README and the pages say is so: their code runs, their tables agree with the recordings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

import tokentape
from docs_site.sources import CODE
from tests.corpus import ROOT, WIRES, all_items
from tests.corpus_expectations import DIFFERENCES
from tests.docs_site.runnable import blocks
from tests.pages import REPOSITORY, block_with, page_text, run
from tokentape import UnknownWireError, stream_bytes
from tokentape_harness import FakeProvider

README = page_text("README.md")
TOUR = page_text("docs/tour.md")
PAGES = [p.relative_to(REPOSITORY).as_posix() for p in sorted((REPOSITORY / "docs").rglob("*.md"))]


def test_the_first_two_commands() -> None:
    """Beside pip install, the README's first two commands are `make demo` and `make test`."""
    commands = [line for block in blocks(README) for line in block.text.splitlines()]
    assert commands[:3] == ["pip install 'tokentape[all]'", "make demo", "make test"]


def test_the_readme_is_short_and_its_picture_is_measured() -> None:
    """The README has two screens, and the lines of its sweep are those that were measured for docs/sweep.md."""
    assert len(README.splitlines()) <= 155
    (picture,) = [block.text for block in blocks(README) if block.language == "text"]
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


def test_the_event_and_the_sources_of_the_tour(fake_provider_env: FakeProvider) -> None:
    """The listener is called once, and each source of the page opens a stream."""
    logged: list[Any] = []
    names = vars(tokentape) | {"log": lambda *event: logged.append(event), "chunks": []}
    listener = run(block_with(TOUR, "def done("), **names)["done"]
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with (
        openai.OpenAI() as client,
        httpx2.stream("POST", f"{fake_provider_env.base_url()}/chat/completions", json=request) as response,
    ):
        names |= {"response": response, "sdk_stream": client.chat.completions.create(**request)}
        run(block_with(TOUR, "stream_response("), **names)
    list(tokentape.replay("Hi"))
    assert len(logged) == 1
    tokentape.post_streaming_response.disconnect(listener)


def links(path: Path) -> Iterator[Path]:
    """The files that a page links to."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", CODE.sub("", path.read_text())):
        # The pages of reference/ are generated for the site, whose build is strict about links.
        if "://" not in target and "reference/" not in target:
            yield path.parent / target


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", *PAGES])
def test_links_lead_somewhere(name: str) -> None:
    """Every file that a page links to is there."""
    missing = [str(target) for target in links(REPOSITORY / name) if not target.exists()]
    assert not missing


def test_the_table_of_wire_formats() -> None:
    """docs/wire-formats.md counts the recordings as they are, and names every deliberate difference."""
    if not all_items():
        pytest.skip(f"no recorded streams at {ROOT}: set TOKENTAPE_CORPUS")
    text = page_text("docs/wire-formats.md")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    documented = {name: (int(count), int(differ)) for name, count, differ in rows}
    counted = Counter(WIRES[i.wire_format] for i in all_items() if i.wire_format in WIRES and i.kind == "stream")
    differing = Counter(WIRES[i.wire_format] for i in all_items() if i.id in DIFFERENCES)
    assert documented == {wire: (count, differing[wire]) for wire, count in counted.items()}
    assert set(re.findall(r"^\| `([a-z]+-[0-9a-f]{10})` \|", text, re.MULTILINE)) == set(DIFFERENCES)


def test_what_is_refused() -> None:
    """Recordings of formats that are no wire of ours are refused by name, and counted in the docs."""
    if not all_items():
        pytest.skip(f"no recorded streams at {ROOT}: set TOKENTAPE_CORPUS")
    refused = [item for item in all_items() if item.wire_format not in WIRES]
    for item in refused:
        with pytest.raises(UnknownWireError, match=item.wire_format):
            stream_bytes(item.body, item.wire_format)
    text = page_text("docs/wire-formats.md")
    assert f"{len(refused)} recordings of other formats" in text


@pytest.mark.parametrize(
    "name",
    [p.relative_to(REPOSITORY).as_posix() for p in sorted(REPOSITORY.glob("*.md"))] + PAGES,
)
def test_prose_wraps(name: str) -> None:
    """No line of prose is longer than 120 characters; tables and code may be."""
    long, code = [], False
    for number, line in enumerate((REPOSITORY / name).read_text().splitlines(), 1):
        code ^= line.lstrip().startswith("```")
        if len(line) > 120 and not code and not line.startswith(("|", "    ", "#")):
            long.append(number)
    assert long == []


@pytest.mark.parametrize("name", PAGES)
def test_rows_of_tables_are_as_wide_as_their_heads(name: str) -> None:
    """A cell beyond the last column of a table would not be shown."""
    head, code, odd = 0, False, []
    for number, line in enumerate((REPOSITORY / name).read_text().splitlines(), 1):
        code ^= line.lstrip().startswith("```")
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") and not code else 0
        head = cells and (head or cells)
        if cells != head:
            odd.append(number)
    assert odd == []
