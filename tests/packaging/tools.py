"""The programs of the environment `packaging`, and copies of the repository.

python -m tests.packaging.tools NAME        prints where a program is
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.clients.environments import folder
from tests.environments import UnavailableError

REPOSITORY = Path(__file__).parents[2]


def tool(name: str) -> str:
    """The path of a program of the environment; skips the test where it can't be installed."""
    try:
        return str(folder("packaging") / "bin" / name)
    except UnavailableError as error:
        pytest.skip(str(error))


def run(
    command: Sequence[str | Path], *, cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None, code: int = 0
) -> str:
    """What a command prints, which must exit with this code."""
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def tracked(*folders: str) -> list[Path]:
    """The files of the repository, or below these folders of it, relative to it."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders])
    return [Path(name) for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


def copy_repository(target: Path, *folders: str) -> None:
    """Copy the files that belong to the repository."""
    for path in tracked(*folders):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / path, target / path)


if __name__ == "__main__":
    print(tool(sys.argv[1]))
