"""A clean environment for each page."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docs_site.sources import REPOSITORY
from tests.environments import user_environment

KEPT = ("UV_", "PIP_", "NPM_", "npm_", "SSL_", "LANG", "LC_")


@pytest.fixture
def clean_environment(wheel: Path, tmp_path: Path) -> Callable[[], dict[str, str]]:
    """The variables of a shell with an empty environment of Python, in which `pip` finds the wheel."""

    def make() -> dict[str, str]:
        home = tmp_path / "home"
        home.mkdir()
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(KEPT) or name.lower().endswith("_proxy")
        }
        return {
            "UV_CACHE_DIR": str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "uv"),
            **kept,
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "VIRTUAL_ENV": str(user_environment(wheel)),
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "CHROMIUM": shutil.which("chromium") or "",
            "WHEEL": str(wheel),
            "REPOSITORY": str(REPOSITORY),
            "GIVEN": str(Path(__file__).with_name("given")),
            "ENVIRONMENTS": f"{sys.executable} {REPOSITORY / 'tests' / 'environments.py'}",
        }

    return make
