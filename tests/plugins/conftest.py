"""Packages as an installer leaves them: a folder on the path with the metadata of their entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tokentape_fake_provider.faults.registry import fault_kinds
from tokentape_fake_provider.wires.registry import entry_points_of

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that has these entry points, as in `entry_points.txt`."""

    def installed(entry_points: str) -> None:
        info = tmp_path / "site" / "plugin-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(info.parent)
        _forget()

    yield installed
    _forget()


def _forget() -> None:
    fault_kinds.cache_clear()
    entry_points_of.cache_clear()
