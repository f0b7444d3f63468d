"""The only folders that cassettes may be read from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import msgspec

from tokentape_fake_provider.errors import CassetteAccessError, CassetteExistsError
from tokentape_fake_provider.sessions.recording import Recording

CassetteLoader: TypeAlias = Callable[[Path], Sequence[Recording]]
"""Reads one cassette file. Its error messages are sent to the client that requested the cassette."""

# A folder or file that every system can have, and that is not hidden, so that it is served.
_NAME: Final = re.compile(r"(?![.])(?!(?i:con|prn|aux|nul|com\d|lpt\d)(?:[.]|$))[^<>:\"|?*\\]{1,200}(?<![. ])")
_LONGEST: Final = 1_000


def find_cassette(folders: Sequence[Path], name: str) -> Path:
    """The cassette of that name below one of the folders, symlinks followed.

    `name` is a relative path with or without `.yaml`. Raises `CassetteAccessError` if it leaves the folders,
    by `..`, as an absolute path or through a symlink, or if there is no such file.
    """
    if not folders:
        raise CassetteAccessError(
            f"cassette {name!r}: the server has no cassette folder: start it with one, like tokentape serve cassettes/"
        )
    if "\0" in name or not name.strip():
        raise CassetteAccessError(f"cassette {name!r} is not a file name")
    outside = False
    for folder in folders:
        root = folder.resolve()
        for candidate in (root / name, root / f"{name}.yaml", root / f"{name}.yml"):
            path = candidate.resolve()
            if not path.is_relative_to(root):
                outside = True
            elif _is_file(path):
                return path
    if outside:
        raise CassetteAccessError(f"cassette {name!r} is outside the cassette folders: give a name below one of them")
    raise CassetteAccessError(f"cassette {name!r} is not in the cassette folders ({len(folders)}): check its name")


def recordings_of(name: str, content: bytes, load: CassetteLoader) -> list[Recording]:
    """The recordings of a cassette's content, under its name. Raises what `load` raises."""
    with TemporaryDirectory() as folder:
        file = Path(folder, Path(name).name or "cassette.yaml")
        file.write_bytes(content)
        try:
            found = load(file)
        except Exception as error:
            raise CassetteAccessError(str(error).replace(str(file), name)) from None
        return [msgspec.structs.replace(recording, source=name) for recording in found]


def new_cassette(folders: Sequence[Path], name: str) -> Path:
    """The path of a new cassette of that name below the first of the folders, symlinks followed.

    `name` is a relative path with or without `.yaml`. Raises `CassetteAccessError` if it leaves the folder, and
    `CassetteExistsError` if a file is there.
    """
    if not folders:
        raise CassetteAccessError(
            f"cassette {name!r}: the server has no cassette folder: start it with one, like tokentape serve cassettes/"
        )
    root = folders[0].resolve()
    *above, last = name.split("/")
    parts = (part for part in above if part not in ("", ".", ".."))
    if len(name) > _LONGEST or not name.isprintable() or not all(map(_NAME.fullmatch, (*parts, last))):
        shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
        raise CassetteAccessError(f"cassette {shown!r} is not a name that every system allows, or it is hidden")
    path = (root / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")).resolve()
    if not path.is_relative_to(root) or path == root:
        raise CassetteAccessError(f"cassette {name!r} is outside the cassette folder: give a name below it")
    if path.exists():
        raise CassetteExistsError(f"cassette {name!r} exists already")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is too long
        return False
