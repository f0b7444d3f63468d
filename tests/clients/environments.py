"""Environments of clients that can't be installed beside the tests: made on first use, and again if their pins change.

python -m tests.clients.environments        makes them all
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
DRIVERS: Final = HERE / "drivers"
FOLDER: Final = Path(sys.prefix) / "clients"
OWN: Final = "tests"
"""The environment that the tests run in."""
NODE: Final = "node"


class UnavailableError(Exception):
    """The environment can't be had on this machine; says why."""


def names() -> list[str]:
    """All environments but our own."""
    return [*sorted(path.stem for path in (HERE / "requirements").glob("*.txt")), NODE]


@cache
def command(environment: str, driver: str) -> tuple[str, ...]:
    """How to run a driver. Makes the environment where needed; raises `UnavailableError`."""
    if environment == OWN:
        return (sys.executable, str(DRIVERS / f"{driver}.py"))
    made = _ready(environment)
    if environment == NODE:
        return (_program("node"), str(made / f"{driver}.mjs"))
    return (str(made / "bin" / "python"), str(DRIVERS / f"{driver}.py"))


def versions(environment: str) -> dict[str, str]:
    """The pinned version of each package that the environment was asked for by name."""
    if environment == NODE:
        return dict(json.loads((HERE / "package.json").read_text())["dependencies"])
    path = HERE.parents[1] / "constraints.txt" if environment == OWN else HERE / "requirements" / f"{environment}.txt"
    lines = [line.partition("==") for line in path.read_text().splitlines() if "==" in line]
    return {name.strip(): version.strip() for name, _, version in lines}


def _ready(environment: str) -> Path:
    pins = HERE / ("package.json" if environment == NODE else f"requirements/{environment}.txt")
    what = pins.read_text() + (_output("node", "--version") if environment == NODE else sys.version)
    mark = hashlib.sha256(what.encode()).hexdigest()
    place = FOLDER / environment
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _locked(FOLDER / f"{environment}.lock"):
        stamp = place / ".made-of"
        if not stamp.exists() or stamp.read_text() != mark:
            shutil.rmtree(place, ignore_errors=True)
            if environment == NODE:
                _install_node(place, pins)
            else:
                _install_python(place, pins)
            stamp.write_text(mark)
        if environment == NODE:
            # Modules are looked for beside the file that imports them.
            for source in DRIVERS.glob("*.mjs"):
                target = place / source.name
                if not target.exists() or target.read_bytes() != source.read_bytes():
                    shutil.copyfile(source, target)
    return place


def _install_python(place: Path, pins: Path) -> None:
    python = place / "bin" / "python"
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        _run(sys.executable, "-m", "venv", str(place))
        _run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(pins))
    else:
        _run(uv, "venv", "-q", "--python", sys.executable, str(place))
        _run(uv, "pip", "install", "-q", "--python", str(python), "-r", str(pins))


def _install_node(place: Path, pins: Path) -> None:
    place.mkdir(parents=True)
    shutil.copyfile(pins, place / "package.json")
    flags = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    _run(_program("npm"), "install", *flags, cwd=place)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(f"{name} is not installed: the clients of JavaScript need node 20 and npm")
    return found


def _output(name: str, *arguments: str) -> str:
    return subprocess.run([_program(name), *arguments], check=True, capture_output=True, text=True).stdout


def _run(*arguments: str, cwd: Path | None = None) -> None:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(wanted: Sequence[str]) -> None:
    """Make the environments."""
    for name in wanted or names():
        try:
            print(f"{name}: {_ready(name)}", flush=True)
        except UnavailableError as error:
            print(f"{name}: left out, as {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
