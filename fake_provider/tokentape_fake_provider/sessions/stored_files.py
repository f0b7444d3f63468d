"""Stored files: what clients upload, for requests of the same session that refer to them by id."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

import msgspec

MOST: Final = 1000
"""How many files a session keeps."""
MOST_BYTES: Final = 256_000_000
"""How many bytes they have together; beyond either the oldest are forgotten."""


class StoredFile(msgspec.Struct, frozen=True):
    """A file: `size` bytes in as many `parts`, to which more are added unless it is `whole`. `created` is in s."""

    id: str
    name: str
    media_type: str
    created: int
    purpose: str = ""
    size: int = 0
    parts: int = 0
    whole: bool = False


class StoredFiles:
    """The files of a session, in memory. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._parts: dict[str, bytes] = {}

    def find(self, file_id: str) -> StoredFile | None:
        """The whole file of this id."""
        with self._lock:
            found = self._files.get(file_id)
        return found if found is not None and found.whole else None

    def all(self) -> list[StoredFile]:
        """All whole files, the oldest first."""
        with self._lock:
            return [file for file in self._files.values() if file.whole]

    def content(self, file: StoredFile) -> bytes:
        """The bytes of a file."""
        with self._lock:
            return b"".join(self._parts.get(name, b"") for name in part_names(file))

    def keep(self, file: StoredFile, data: bytes) -> StoredFile:
        """Keep a whole file with this content; return it as it is kept."""
        self.begin(file)
        return self.add(file.id, data, last=True)

    def begin(self, file: StoredFile) -> None:
        """Keep a file whose parts follow, in place of one with its id."""
        with self._lock:
            self.delete(file.id)
            self._files[file.id] = file

    def add(self, file_id: str, part: bytes, *, last: bool) -> StoredFile:
        """Add a part to a file that was begun, and return the file as it is then; forget the oldest beyond the limits.

        Raises `KeyError` for a file that was not begun or is whole, or that is larger than all may be together.
        """
        with self._lock:
            file = self._files[file_id]
            if file.whole:
                raise KeyError(file_id)
            if file.parts and file.size + len(part) > MOST_BYTES:
                self.delete(file_id)
                raise KeyError(file_id)
            grown = msgspec.structs.replace(file, size=file.size + len(part), parts=file.parts + 1, whole=last)
            self._files[file_id] = grown
            self._files.move_to_end(file_id)
            self._parts[part_names(grown)[-1]] = part
            size = sum(each.size for each in self._files.values())
            while len(self._files) > MOST or (size > MOST_BYTES and len(self._files) > 1):
                oldest = next(iter(self._files.values()))
                size -= oldest.size
                self.delete(oldest.id)
        return grown

    def delete(self, file_id: str) -> None:
        """Forget a file."""
        with self._lock:
            file = self._files.pop(file_id, None)
            for name in () if file is None else part_names(file):
                self._parts.pop(name, None)


def part_names(file: StoredFile) -> list[str]:
    """The names of a file's parts."""
    return [f"{file.id}/{number}" for number in range(file.parts)]
