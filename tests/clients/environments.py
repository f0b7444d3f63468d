"""Environments of clients that can't be installed beside the tests.

python -m tests.clients.environments        makes them all
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from tests.environments import UnavailableError, node_environment, program, python_environment

HERE: Final = Path(__file__).parent
DRIVERS: Final = HERE / "drivers"
FOLDER: Final = Path(sys.prefix) / "clients"
OWN: Final = "tests"
"""The environment that the tests run in."""
NODE: Final = "node"
_WHY_NODE: Final = "the clients of JavaScript need node 20 and npm"
CODING_AGENTS: Final = HERE / "npm"
"""A package.json for each coding agent of npm, which is large: so that each can be installed by itself."""


def node_program(name: str) -> tuple[str, ...]:
    """How to run a program of the packages of npm. Makes their environment; raises `UnavailableError`."""
    folder = _node()
    return (program("node", _WHY_NODE), str((folder / "node_modules" / ".bin" / name).resolve()))


def names() -> list[str]:
    """All environments but our own."""
    return [*sorted(path.stem for path in (HERE / "requirements").glob("*.txt")), NODE, *_coding_agents()]


def folder(environment: str) -> Path:
    """The folder of an environment of Python or of a coding agent. Makes it; raises `UnavailableError`."""
    if environment not in _coding_agents():
        return _python(environment).parents[1]
    return node_environment(FOLDER / environment, _package(environment), (), _WHY_NODE, path=node_path())


@cache
def node_path() -> str:
    """The folder of a node that is new enough for coding agents."""
    return str(_python("nodejs").parent)


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
    if environment == NODE or environment in _coding_agents():
        return dict(json.loads(_package(environment).read_text())["dependencies"])
    path = HERE.parents[1] / "constraints.txt" if environment == OWN else HERE / "requirements" / f"{environment}.txt"
    lines = [line.partition("==") for line in path.read_text().splitlines() if "==" in line]
    return {name.strip(): version.strip() for name, _, version in lines}


def _python(environment: str) -> Path:
    return python_environment(FOLDER / environment, HERE / "requirements" / f"{environment}.txt")


def _coding_agents() -> list[str]:
    return sorted(path.stem for path in CODING_AGENTS.glob("*.json"))


def _package(environment: str) -> Path:
    return HERE / "package.json" if environment == NODE else CODING_AGENTS / f"{environment}.json"


def _node() -> Path:
    return node_environment(FOLDER / NODE, _package(NODE), DRIVERS.glob("*.mjs"), _WHY_NODE)


def main(wanted: Sequence[str]) -> None:
    """Make the environments."""
    for name in wanted or names():
        try:
            print(f"{name}: {_node() if name == NODE else folder(name)}", flush=True)
        except UnavailableError as error:
            print(f"{name}: left out, as {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
