"""Python environments of their own, for programs that can't be installed beside the tests: made on first use, and
again if their pins change.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class UnavailableError(Exception):
    """The environment can't be had on this machine; says why."""


def python_environment(place: Path, pins: Path) -> Path:
    """An environment with what `pins` lists; its interpreter."""
    return made(place, pins.read_text() + sys.version, lambda: _install(place, pins)) / "bin" / "python"


def made(place: Path, of: str, make: Callable[[], None]) -> Path:
    """The folder `place`, made by `make` unless it is there and was made of the same; one process at a time."""
    mark = hashlib.sha256(of.encode()).hexdigest()
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.with_name(f"{place.name}.lock")):
        stamp = place / ".made-of"
        if not stamp.exists() or stamp.read_text() != mark:
            shutil.rmtree(place, ignore_errors=True)
            make()
            stamp.write_text(mark)
    return place


def node_environment(place: Path, pins: Path, sources: Iterable[Path], why: str, *, path: str | None = None) -> Path:
    """A folder with the packages that `pins` (a package.json) lists, and these modules beside them.

    `node` and `npm` are those on `path`, by default on PATH. Raises `UnavailableError` where there are none.
    """
    node = program("node", why, path=path)
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    made(place, pins.read_text() + version, lambda: _install_node(place, pins, why, path))
    with locked(place.with_name(f"{place.name}.lock")):
        # Modules are looked for beside the file that imports them.
        for source in sources:
            target = place / source.name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                shutil.copyfile(source, target)
    return place


def _install_node(place: Path, pins: Path, why: str, path: str | None) -> None:
    npm = program("npm", why, path=path)
    place.mkdir(parents=True)
    shutil.copyfile(pins, place / "package.json")
    flags = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    run(npm, "install", *flags, cwd=place)


def program(name: str, why: str, *, path: str | None = None) -> str:
    """Where a program is, on `path` or on PATH. Raises `UnavailableError`."""
    found = shutil.which(name, path=path)
    if found is None:
        raise UnavailableError(f"{name} is not installed: {why}")
    return found


def run(*arguments: str, cwd: Path | None = None) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes know too."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(place: Path, pins: Path) -> None:
    python = place / "bin" / "python"
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        run(sys.executable, "-m", "venv", str(place))
        run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(pins))
    else:
        run(uv, "venv", "-q", "--python", sys.executable, str(place))
        run(uv, "pip", "install", "-q", "--python", str(python), "-r", str(pins))
