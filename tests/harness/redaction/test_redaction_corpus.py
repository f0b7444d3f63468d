"""Redaction over real code and prose: everything comes out unchanged but for true secrets, which are listed here."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tokentape_harness.cassettes.model import Interaction, Request, Response
from tokentape_harness.redaction import DEFAULT_RULES, redact
from tokentape_harness.redaction.spans import find_spans

ROOT = Path(__file__).parents[3]
CORPUS = ROOT / "../shared/corpus"
SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt", ".js", ".css", ".html", ".json", ".yaml", ".toml"}


def texts(folder: Path, *leave_out: str, step: int = 1) -> Iterator[tuple[Path, str]]:
    """The text files below a folder, or one of `step`."""
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file())
    for path in islice((path for path in paths if not set(leave_out) & set(path.parts)), 0, None, step):
        yield path, path.read_text(errors="replace")


def hits(files) -> tuple[int, Counter[str]]:
    """How many characters there are, and each secret that would be taken out."""
    size, found = 0, Counter[str]()
    for _, text in files:
        size += len(text)
        found.update(text[span.start : span.end] for span in find_spans(text, DEFAULT_RULES))
    return size, found


def package(name: str) -> Path:
    """The folder of an installed package."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(found.origin).parent


def test_our_own_code_and_docs_come_out_unchanged():
    """The README, the docs, the examples and the product hold nothing that is taken for a secret."""
    folders = [*(ROOT / name for name in ("docs", "examples", "src", "harness", "fake_provider"))]
    files = [
        *((path, path.read_text()) for path in ROOT.glob("*.md")),
        *(pair for one in folders for pair in texts(one)),
    ]
    size, found = hits(files)
    assert size > 1_000_000
    assert found == {}


def test_modules_of_the_standard_library_come_out_unchanged():
    """A third of the modules at the top of Python's library hold no secret; the slow suite reads below it too."""
    folder = Path(os.__file__).parent
    size, found = hits((path, path.read_text()) for path in sorted(folder.glob("*.py"))[::3])
    assert size > 1_000_000
    assert found == {}


@pytest.mark.slow
def test_the_standard_library_comes_out_unchanged():
    """In every third file of Python's library, its tests included, nothing is taken out."""
    size, found = hits(texts(Path(os.__file__).parent, "site-packages", "idlelib", step=3))
    assert size > 4_000_000
    assert found == {}


# True hits: examples of keys in the packages' own docs.
KNOWN = {
    "boto3": {"AKIAIOSFODNN7EXAMPLE"},
    "mistralai": {
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaabcdefghijklmnopqrstuvwxyz012345678",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc123",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("django", "fastapi", "flask", "pydantic", "openai", "anthropic", "cohere", "huggingface_hub", "httpx"),
        *("aiohttp", "requests", "urllib3", "google.genai", "boto3", "mistralai", "cryptography", "fsspec", "rich"),
    ],
)
def test_packages_come_out_unchanged(name):
    """Code, docs, templates and styles of packages hold no more than the examples of keys in their docs."""
    size, found = hits(texts(package(name), step=2))
    assert size > 10_000
    assert set(found) <= KNOWN.get(name, set())


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_answers_of_real_models_come_out_unchanged(step):
    """Of all recorded streams only one changes: it holds the organisation and the project of its account."""
    if not CORPUS.is_dir():
        pytest.skip("the corpus of streams is not here")
    rows = [json.loads(line) for line in (CORPUS / "streams.jsonl").read_text().splitlines()][::step]
    assert len(rows) > 40
    changed = set()
    for row in rows:
        headers = (("content-type", row["content_type"] or ""),)
        interaction = Interaction(Request("POST", "h"), Response(200, "", headers, (CORPUS / row["body"]).read_bytes()))
        if redact(interaction) != interaction:
            changed.add(row["id"])
    assert changed == {"prism-faf76981d1"} & {row["id"] for row in rows}
