"""The README of the package, as a package index shows it."""

from __future__ import annotations

import re
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from docs_site.sources import REPOSITORY, source_url


@pytest.mark.slow
def test_links_lead_to_the_repository(wheel: Path) -> None:
    """In the wheel each link of the README is absolute, and leads to the file to which it led."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_string(files.read(name).decode())
    assert metadata["Description-Content-Type"] == "text/markdown"
    link = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
    found = link.findall(str(metadata.get_payload()))
    own = [*link.findall((REPOSITORY / "README.md").read_text())]
    assert [url for _, url in found] == [
        target if "://" in target else f"{source_url()}/{'raw' if picture else 'blob'}/main/{target}"
        for picture, target in own
    ]
    assert all((REPOSITORY / target.partition("#")[0]).exists() for _, target in own if "://" not in target)


@pytest.mark.slow
def test_the_sample_cassettes_are_in_the_wheel(wheel: Path) -> None:
    """`tokentape init` has what it writes where only the wheel is installed."""
    with zipfile.ZipFile(wheel) as files:
        starter = [name for name in files.namelist() if "/served_files/starter/" in name]
    assert sum(name.endswith(".yaml") for name in starter) == 3
