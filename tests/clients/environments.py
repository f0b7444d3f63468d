"""Environments of clients that can't be installed beside the tests.

python -m tests.clients.environments        makes them all
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from tests.environments import UnavailableError, locked, made, program, python_environment, run

HERE: Final = Path(__file__).parent
DRIVERS: Final = HERE / "drivers"
FOLDER: Final = Path(sys.prefix) / "clients"
OWN: Final = "tests"
"""The environment that the tests run in."""
NODE: Final = "node"
_WHY_NODE: Final = "the clients of JavaScript need node 20 and npm"


def names() -> list[str]:
    """All environments but our own."""
    return [*sorted(path.stem for path in (HERE / "requirements").glob("*.txt")), NODE]


@cache
def command(environment: str, driver: str) -> tuple[str, ...]:
    """How to run a driver. Makes the environment where needed; raises `UnavailableError`."""
    if environment == OWN:
        return (sys.executable, str(DRIVERS / f"{driver}.py"))
    if environment == NODE:
        return (program("node", _WHY_NODE), str(_node() / f"{driver}.mjs"))
    return (str(_python(environment)), str(DRIVERS / f"{driver}.py"))


def versions(environment: str) -> dict[str, str]:
    """The pinned version of each package that the environment was asked for by name."""
    if environment == NODE:
        return dict(json.loads((HERE / "package.json").read_text())["dependencies"])
    path = HERE.parents[1] / "constraints.txt" if environment == OWN else HERE / "requirements" / f"{environment}.txt"
    lines = [line.partition("==") for line in path.read_text().splitlines() if "==" in line]
    return {name.strip(): version.strip() for name, _, version in lines}


def _python(environment: str) -> Path:
    return python_environment(FOLDER / environment, HERE / "requirements" / f"{environment}.txt")


def _node() -> Path:
    pins, place = HERE / "package.json", FOLDER / NODE
    node = program("node", _WHY_NODE)
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    made(place, pins.read_text() + version, lambda: _install_node(place, pins))
    with locked(place.with_name(f"{NODE}.lock")):
        # Modules are looked for beside the file that imports them.
        for source in DRIVERS.glob("*.mjs"):
            target = place / source.name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                shutil.copyfile(source, target)
    return place


def _install_node(place: Path, pins: Path) -> None:
    npm = program("npm", _WHY_NODE)
    place.mkdir(parents=True)
    shutil.copyfile(pins, place / "package.json")
    flags = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    run(npm, "install", *flags, cwd=place)


def main(wanted: Sequence[str]) -> None:
    """Make the environments."""
    for name in wanted or names():
        try:
            print(f"{name}: {_node() if name == NODE else _python(name).parents[1]}", flush=True)
        except UnavailableError as error:
            print(f"{name}: left out, as {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
