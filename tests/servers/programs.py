"""Real servers and proxies: Debian's by their package, Python's in environments of their own.

python -m tests.servers.programs        installs them all, where that is possible
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from tests.environments import UnavailableError, node_environment, program, python_environment

HERE: Final = Path(__file__).parent
FOLDER: Final = Path(sys.prefix) / "servers"
_WHY_NODE: Final = "the servers of JavaScript need node 20 and npm"


@dataclass(frozen=True)
class Debian:
    """A program of a Debian package."""

    name: str
    package: str

    def path(self) -> str:
        """Where it is. Raises `UnavailableError`."""
        search = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
        found = shutil.which(self.name, path=search)
        if found is None:
            raise UnavailableError(f"{self.name} is not installed: it is in Debian's package {self.package}")
        return found


@dataclass(frozen=True)
class Python:
    """The interpreter of an environment in `requirements/`, or a program in it."""

    environment: str
    name: str = "python"

    def path(self) -> str:
        """Where it is; the environment is made if need be. Raises `UnavailableError`."""
        return str(_python(self.environment).with_name(self.name))


@dataclass(frozen=True)
class Wheel:
    """A program that a package of an environment in `requirements/` contains, below its site-packages."""

    environment: str
    pattern: str

    def path(self) -> str:
        """Where it is. Raises `UnavailableError`."""
        python = _python(self.environment)
        found = next(python.parents[1].glob(f"lib/*/site-packages/{self.pattern}"), None)
        if found is None:
            raise UnavailableError(f"the packages of {self.environment} have no {self.pattern} for this machine")
        found.chmod(0o755)
        return str(found)


@dataclass(frozen=True)
class Node:
    """node, beside the packages of package.json."""

    def path(self) -> str:
        """Where it is. Raises `UnavailableError`."""
        self.folder()
        return program("node", _WHY_NODE)

    def folder(self) -> Path:
        """Where the modules of `apps/` are, beside what they import. Raises `UnavailableError`."""
        installed = _node_installed()
        if isinstance(installed, str):
            raise UnavailableError(installed)
        return installed


Program: TypeAlias = Debian | Python | Node

DEBIAN: Final = (
    Debian("nginx", "nginx-light"),
    Debian("haproxy", "haproxy"),
    Debian("lighttpd", "lighttpd"),
    Debian("varnishd", "varnish"),
    Debian("apache2", "apache2-bin"),
    Debian("squid", "squid"),
    Debian("chromium", "chromium"),
    Debian("redis-server", "redis-server"),
)


def environments() -> list[str]:
    """The names of the environments."""
    return sorted(path.stem for path in (HERE / "requirements").glob("*.txt"))


def _python(environment: str) -> Path:
    installed = _installed(environment)
    if isinstance(installed, str):
        raise UnavailableError(installed)
    return installed


@cache
def _installed(environment: str) -> Path | str:
    """The interpreter, or why there is none: what failed once is not tried again."""
    try:
        return python_environment(FOLDER / environment, HERE / "requirements" / f"{environment}.txt")
    except RuntimeError as error:
        return f"its packages can't be installed here: {str(error).strip().splitlines()[-1]}"


@cache
def _node_installed() -> Path | str:
    try:
        sources = (HERE / "apps").glob("*.mjs")
        return node_environment(FOLDER / "node", HERE / "package.json", sources, _WHY_NODE)
    except UnavailableError as error:
        return str(error)
    except RuntimeError as error:
        return f"its packages can't be installed here: {str(error).strip().splitlines()[-1]}"


def install_debian() -> str:
    """Install what is missing of Debian's packages where nothing but the programs comes with it; says what it did."""
    missing = []
    for wanted in DEBIAN:
        try:
            wanted.path()
        except UnavailableError:
            missing.append(wanted.package)
    if not missing:
        return "all are here"
    by_hand = f"to have them, run: apt-get install --no-install-recommends {' '.join(missing)}"
    try:
        apt = program("apt-get", "this is not Debian")
    except UnavailableError as error:
        return f"{', '.join(missing)} left out, as {error}"
    if Path("/run/systemd/system").exists():
        return f"{', '.join(missing)} left out, as their services would be started on this machine; {by_hand}"
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    install = ["env", "DEBIAN_FRONTEND=noninteractive", apt, "install", "-q", "-y", "--no-install-recommends", *missing]
    for command in ([apt, "update", "-q"], install):
        try:
            done = subprocess.run([*sudo, *command], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return f"{', '.join(missing)} left out, as that takes root; {by_hand}"
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            return f"{', '.join(missing)} left out, as {' '.join(command)} failed: {''.join(last)}"
    return f"installed {', '.join(missing)}"


def main() -> None:
    """Install everything, and say what is left out."""
    print(f"Debian's: {install_debian()}", flush=True)
    for name in environments():
        try:
            print(f"{name}: {_python(name).parents[1]}", flush=True)
        except UnavailableError as error:
            print(f"{name}: left out, as {error}", flush=True)
    try:
        print(f"node: {Node().folder()}", flush=True)
    except UnavailableError as error:
        print(f"node: left out, as {error}", flush=True)


if __name__ == "__main__":
    main()
