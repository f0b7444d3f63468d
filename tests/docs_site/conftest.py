"""The wheel, and a clean environment for each page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docs_site.sources import REPOSITORY
from tests.environments import locked

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}") or "uv"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "wheel"
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            subprocess.run((UV, "build", "-q", "--wheel", "--out-dir", folder, REPOSITORY), check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture
def clean_environment(wheel: Path, tmp_path: Path) -> Callable[[], dict[str, str]]:
    """The variables of a shell with a new, empty environment of Python, in which `pip` finds the wheel."""

    def make() -> dict[str, str]:
        venv, home = tmp_path / "venv", tmp_path / "home"
        home.mkdir()
        subprocess.run((UV, "venv", "-q", "--python", sys.executable, venv), check=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("UV_", "PIP_", "NPM_", "npm_", "SSL_", "LANG", "LC_"))
            or name.lower().endswith("_proxy")
        }
        return {
            "UV_CACHE_DIR": subprocess.check_output((UV, "cache", "dir"), text=True).strip(),
            **kept,
            "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
            "HOME": str(home),
            "VIRTUAL_ENV": str(venv),
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "CHROMIUM": shutil.which("chromium") or "",
            "UV": UV,
            "WHEEL": f"{wheel}",
            "CONSTRAINTS": str(REPOSITORY / "constraints.txt"),
        }

    return make
