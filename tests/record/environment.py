"""The environment of the model server: created on first use under .venv/record, and again if its pins change."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = HERE / "requirements.txt"
PLACE: Final = Path(sys.prefix) / "record"


def python() -> Path:
    """The interpreter of the environment. Raises `subprocess.CalledProcessError` if it can't be created."""
    interpreter = PLACE / "bin" / "python"
    mark = hashlib.sha256(f"{REQUIREMENTS.read_text()}{sys.version}".encode()).hexdigest()
    stamp = PLACE / ".made-of"
    if not stamp.exists() or stamp.read_text() != mark:
        shutil.rmtree(PLACE, ignore_errors=True)
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(PLACE)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(interpreter), "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(mark)
    return interpreter


def version(package: str) -> str:
    """The pinned version of a package."""
    lines = (line.partition("==") for line in REQUIREMENTS.read_text().splitlines())
    return next(pinned for name, _, pinned in lines if name == package)
