"""The site's navigation has every page."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs_site.reference import fixtures_and_marks
from docs_site.sources import DOORS, PAGES, REPOSITORY, with_site_links
from tests.test_public_surface import DOORS as PUBLIC
from tests.test_public_surface import EXTENSION_DOORS

CONFIG = tomllib.loads((REPOSITORY / "docs_site" / "zensical.toml").read_text())["project"]
GENERATED = {f"reference/{name}.md" for name in ("command-line", "pytest", "http-api", "rules-schema", *DOORS)}


def pages(entry: Any) -> Iterator[str]:
    """The pages below an entry of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for below in entry.values() if isinstance(entry, dict) else entry:
            yield from pages(below)


def test_every_page_has_one_place() -> None:
    """Each page is in the navigation once: a new page of docs/ needs a line in docs_site/zensical.toml."""
    docs = REPOSITORY / "docs"
    written = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    assert Counter(pages(CONFIG["nav"])) == Counter([*written, *PAGES, *GENERATED])


def test_the_reference_has_every_front_door() -> None:
    """Whatever users import from has a page, but for the module that `tokentape` exports as well."""
    assert {*PUBLIC, *EXTENSION_DOORS} - {"tokentape.buffer"} == set(DOORS)


def test_the_reference_has_the_whole_plugin(pytestconfig: pytest.Config) -> None:
    """Each fixture, mark and option that the plugin brings to pytest is on its page, with what it is for."""
    page = fixtures_and_marks()
    fixtures = re.findall(r"^### `(\w+)`\n\nScope: (\w+)", page, re.MULTILINE)
    assert ("fake_provider_server", "session") in fixtures
    manager = pytestconfig.pluginmanager
    (plugin,) = (manager.get_plugin(name) for name, _ in manager.list_name_plugin() if name == "tokentape")
    assert {name for name, _ in fixtures} == {
        name
        for name, value in vars(plugin).items()
        if "Fixture" in type(value).__name__ or hasattr(value, "_pytestfixturefunction")  # of pytest before 8.4
    }
    marks = {line.partition("(")[0] for line in pytestconfig.getini("markers")} & {
        "tape",
        "fake_provider",
        "fault_sweep",
    }
    assert set(re.findall(r"^`@pytest\.mark\.(\w+)\(", page, re.MULTILINE)) == marks
    assert set(re.findall(r"^\| `(--[\w-]+)=", page, re.MULTILINE)) == {
        option.names()[0]
        for group in pytestconfig._parser._groups
        for option in group.options
        if group.name == "tokentape"
    }


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("web.md", "(iterator.md#x)", "(iterator.md#x)"),
        ("web.md", "(../SECURITY.md)", "(SECURITY.md)"),
        ("migrate/vcrpy.md", "(../../CHANGELOG.md#a)", "(../CHANGELOG.md#a)"),
        ("migrate/vcrpy.md", "(../../examples/demo.py)", "(URL/blob/main/examples/demo.py)"),
        ("../CONTRIBUTING.md", "(docs/own-wire.md)", "(own-wire.md)"),
        ("../CONTRIBUTING.md", "(ARCHITECTURE.md)", "(ARCHITECTURE.md)"),
        ("web.md", "(https://a.example/b.md)", "(https://a.example/b.md)"),
        ("web.md", "(#places)", "(#places)"),
        ("web.md", "(x.md)\n```python\na[0](../b)\n```", "(x.md)\n```python\na[0](../b)\n```"),
    ],
)
def test_links_lead_to_the_site_or_the_repository(page: str, link: str, there: str) -> None:
    """A link to a page of the site stays in it, one to any other file leads to the repository."""
    url = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    assert with_site_links(f"[text]{link}", Path(page)) == f"[text]{there.replace('URL', url)}"
