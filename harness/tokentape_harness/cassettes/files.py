"""Cassette files: those below a folder, and where a cassette of some name is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tokentape_harness.errors import CassetteNotFoundError, UsageError

SUFFIXES = (".yaml", ".yml", ".json")


def find_cassettes(paths: Iterable[str | Path], suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """The cassette files of these paths: each file, and all with these suffixes below each folder, sorted.

    Files and folders in a folder whose names begin with a dot are left out. Raises `CassetteNotFoundError` for a
    path that does not exist, `UsageError` for a folder without cassettes.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in suffixes and not is_hidden(file, path))
            if not inside:
                what = "cassettes" if suffixes == SUFFIXES else "cassettes or rules files"
                raise UsageError(f"{path}: no {what} in this folder ({', '.join(suffixes)}): check the path")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise CassetteNotFoundError("no such cassette or folder: check the path", path=path)
    return list(dict.fromkeys(found))


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a path below a folder has a part that begins with a dot."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def cassette_folders(test: Path, root: Path) -> list[Path]:
    """The folders where a test file's cassettes are looked up; `cassettes/<module>` is pytest-recording's layout."""
    beside = test.parent
    return [beside, beside / "cassettes", beside / "cassettes" / test.stem, root, root / "cassettes"]


def locate_cassette(name: Path, folders: Sequence[Path], exists: Callable[[Path], bool] = Path.exists) -> Path:
    """The first path of this name in the folders, as it is or with a cassette's suffix.

    Raises `CassetteNotFoundError`.
    """
    places = [folder / name for folder in folders] or [name]
    for place in places:
        for suffix in ("", *SUFFIXES):
            if exists(path := Path(f"{place}{suffix}")):
                return path
    searched = ", ".join(dict.fromkeys(str(place.parent) for place in places))
    raise CassetteNotFoundError(f"no such cassette in {searched}: check the name", path=name)
