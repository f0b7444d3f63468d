"""Python environments of their own, for programs that can't be installed beside the tests: made on first use, and
again if their pins change. Users' environments, with the wheel, are shared by all tests of a run.

python tests/environments.py ENVIRONMENT WHEEL REQUIREMENT...       prints the environment that has these as well
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
_LISTED = "requirements.txt"


class UnavailableError(Exception):
    """The environment can't be had on this machine; says why."""


def python_environment(place: Path, pins: Path) -> Path:
    """An environment with what `pins` lists; its interpreter."""
    return built_once(place, pins.read_text() + sys.version, lambda: _install(place, pins)) / "bin" / "python"


def built_once(place: Path, of: str, make: Callable[[], None]) -> Path:
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
    built_once(place, pins.read_text() + version, lambda: _install_node(place, pins, why, path))
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


def built_wheel(folder: Path) -> Path:
    """The wheel of this repository in `folder`, built once for all processes that share the folder."""
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            run(_uv(), "build", "-q", "--wheel", "--out-dir", str(folder), str(REPOSITORY))
    (found,) = folder.glob("*.whl")
    return found


def user_environment(wheel: Path, requirements: Iterable[str] = (), *, beyond: Path | None = None) -> Path:
    """The environment that has these requirements, and those of the environment `beyond`, but nothing else.

    Each set of requirements has one, beside the wheel, shared by all who ask: nobody is to change it. `tokentape` is
    this wheel. What one of them compiles serves them all.
    """
    wanted = sorted({*requirements, *(beyond.joinpath(_LISTED).read_text().splitlines() if beyond else ())})
    place = wheel.parent / f"environment-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]}"

    def make() -> None:
        run(_uv(), "venv", "-q", "--python", sys.executable, str(place))
        if wanted:
            named = [re.sub(r"^tokentape(?=\[|$)", str(wheel), one) for one in wanted]
            pins = ("--python", str(place / "bin" / "python"), "-c", str(REPOSITORY / "constraints.txt"))
            run(_uv(), "pip", "install", "-q", *pins, *named)
        (packages,) = place.glob("lib/*/site-packages")
        for folder, below, _ in os.walk(packages):
            compiled = wheel.parent / "compiled" / Path(folder).relative_to(packages)
            compiled.mkdir(parents=True, exist_ok=True)
            below[:] = [name for name in below if name != "__pycache__"]
            Path(folder, "__pycache__").symlink_to(compiled)
        place.joinpath(_LISTED).write_text("".join(f"{one}\n" for one in wanted))

    return built_once(place, f"{wheel}{wanted}", make)


def _uv() -> str:
    if UV is None:
        raise UnavailableError("uv is not installed")
    return UV


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes know too."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(place: Path, pins: Path) -> None:
    python = place / "bin" / "python"
    if UV is None:
        run(sys.executable, "-m", "venv", str(place))
        run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(pins))
    else:
        run(UV, "venv", "-q", "--python", sys.executable, str(place))
        run(UV, "pip", "install", "-q", "--python", str(python), "-r", str(pins))


if __name__ == "__main__":
    print(user_environment(Path(sys.argv[2]), sys.argv[3:], beyond=Path(sys.argv[1])))
