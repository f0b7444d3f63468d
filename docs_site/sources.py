"""The pages that people write, and where their links lead in the site."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""Pages beside docs/ that the site has, too."""
DOORS = {
    "tokentape": "the streaming library",
    "tokentape.providers": "clients of the providers",
    "tokentape.web": "responses that stream to a browser",
    "tokentape.filters": "what of a text may be shown",
    "tokentape.telemetry": "spans and metrics of streams",
    "tokentape_fake_provider": "the fake provider",
    "tokentape_fake_provider.wires": "what wire formats of other packages are built of",
    "tokentape_harness": "cassettes, recording and fixtures",
    "tokentape_harness.testing": "projects, expected requests, verdicts",
    "tokentape_harness.load": "users of load tests",
    "tokentape_harness.testcontainers": "the fake provider in a container",
    "tokentape_conformance": "suites for implementations",
}
"""The packages that users import from. Everything else may move."""
LINK = re.compile(r"(!?\[[^\]]*\]\()(?![a-z]+:|#)([^)#\s]+)(#[^)]*)?\)")

CODE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
"""A block of code, in which nothing is a link."""


def source_url() -> str:
    """Where the repository is: the one placeholder in pyproject.toml."""
    url: str = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    return url


def with_site_links(text: str, page: Path) -> str:
    """The text of a page, given by its path from docs/: links to files that the site lacks lead to the repository."""

    def moved(link: re.Match[str]) -> str:
        before, target, anchor = link[1], link[2], link[3] or ""
        path = os.path.normpath(Path("docs") / page.parent / target)
        if path in PAGES:
            target = os.path.relpath(path, page.parent if page.parts[0] != ".." else ".")
        elif path.startswith("docs/"):
            target = os.path.relpath(path.removeprefix("docs/"), page.parent if page.parts[0] != ".." else ".")
        else:
            target = f"{source_url()}/blob/main/{path}"
        return f"{before}{target}{anchor})"

    return "".join(LINK.sub(moved, part) if number % 2 == 0 else part for number, part in enumerate(CODE.split(text)))
