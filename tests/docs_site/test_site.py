"""The site as a reader has it: built, opened from the file system in Chromium, without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docs_site.sources import PAGES, REPOSITORY
from tests.case_notes import case
from tests.environments import UnavailableError, built_once
from tests.servers.programs import Debian

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(shared_folder: Path) -> Path:
    """The site, built strictly, once for all workers: a dead link, anchor or reference fails this."""
    folder = shared_folder / "site"

    def build() -> None:
        done = subprocess.run(
            (sys.executable, "-m", "docs_site", folder), cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return built_once(folder, "docs", build)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    try:
        path = Debian("chromium", "chromium").path()
    except UnavailableError as error:
        pytest.skip(str(error))
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path, headless=True, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


def open_page(browser: Browser, path: Path) -> tuple[Page, list[str]]:
    """A page of the site, and all that it requests from elsewhere or that fails in it."""
    page = browser.new_page()
    problems: list[str] = []
    page.on("request", lambda request: problems.append(request.url) if not is_local(request.url) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    return page, problems


def is_local(url: str) -> bool:
    """Whether a URL is of a file, or of the page itself."""
    return url.startswith(("file:", "data:", "blob:", "about:"))


def test_search_finds_pages_without_a_server(site: Path, browser: Browser) -> None:
    """The search box finds a page of the site that was opened as a file; its link leads there."""
    # In one test, as each worker starts a Chromium of its own.
    found = {"hidden truncation": "flush", "malformed_json": "faults", "StreamedChatMessageIterator": "tokentape"}
    for words, page in found.items():
        with case(words):
            tab, problems = open_page(browser, site / "index.html")
            tab.get_by_role("button", name="Search").click()
            tab.keyboard.type(words)
            link = f'a[href*="{page}.html"]'
            result = tab.locator(link, has_text=re.compile(words.split()[0], re.IGNORECASE)).first
            result.wait_for(timeout=20_000)
            result.click()
            tab.wait_for_url(f"**/*{page}.html*")
            assert not problems
            tab.close()


def test_no_page_is_wider_than_the_screen(site: Path, browser: Browser) -> None:
    """On a phone and on a desk what is wide scrolls by itself, not with its page; nothing comes from elsewhere."""
    wide = []
    tab, problems = open_page(browser, site / "index.html")
    for page in sorted({*site.rglob("*.html")} - {site / "404.html"}):  # which finds its styles on a server alone
        tab.goto(page.as_uri(), wait_until="domcontentloaded")
        for width in (390, 1280):
            tab.set_viewport_size({"width": width, "height": 900})
            if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append((page.name, width))
    assert (wide, problems) == ([], [])
    tab.close()


def test_every_page_is_reached_from_the_home_page(site: Path) -> None:
    """The links of the pages lead from the home page to every page of the site."""
    seen, waiting = set(), [site / "index.html"]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.exists():
            seen.add(page)
            for link in re.findall(r'href="([^"#:]+\.html)', page.read_text()):
                waiting.append((page.parent / link).resolve())
    assert {*site.rglob("*.html")} - seen == {site / "404.html"}


def test_a_dead_link_fails_the_build(tmp_path: Path) -> None:
    """A link to a page or an anchor that is not there fails the build, and leaves no site."""
    project = tmp_path / "project"
    shutil.copytree(REPOSITORY / "docs_site", project / "docs_site")
    # Of all pages the two that matter: the others take longest, and change nothing.
    (project / "docs_site" / "reference.py").write_text("reference_pages = list\n")
    config = project / "docs_site" / "zensical.toml"
    config.write_text(re.sub(r"^nav = \[.*?^\]$", "", config.read_text(), flags=re.DOTALL | re.MULTILINE))
    for name in PAGES:
        (project / name).write_text("# A page\n")
    shutil.copyfile(REPOSITORY / "pyproject.toml", project / "pyproject.toml")
    (project / "docs").mkdir()
    (project / "docs" / "index.md").write_text("# Home\n\n[one](drift.md#drift)\n")
    (project / "docs" / "drift.md").write_text("# Drift\n\n[one](nowhere.md) and [two](index.md#nowhere)\n")
    done = subprocess.run(
        (sys.executable, "-m", "docs_site", tmp_path / "site"), cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    printed = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert "page does not exist" in printed
    assert "anchor does not exist" in printed
    assert "2 issues" in printed, printed
    assert not (tmp_path / "site").exists()
