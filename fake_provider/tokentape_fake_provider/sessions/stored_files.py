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
    """A file. `created` is the unix time in s."""

    id: str
    name: str
    media_type: str
    data: bytes
    created: int
    purpose: str = ""


class StoredFiles:
    """The files of a session, in memory. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._begun: OrderedDict[str, tuple[StoredFile, bytearray]] = OrderedDict()

    def keep(self, file: StoredFile) -> None:
        """Keep a file; forget the oldest beyond the limits."""
        with self._lock:
            self._files[file.id] = file
            size = sum(len(each.data) for each in self._files.values())
            while len(self._files) > MOST or (size > MOST_BYTES and len(self._files) > 1):
                _, oldest = self._files.popitem(last=False)
                size -= len(oldest.data)

    def find(self, file_id: str) -> StoredFile | None:
        """The file of this id."""
        with self._lock:
            return self._files.get(file_id)

    def all(self) -> list[StoredFile]:
        """All files, the oldest first."""
        with self._lock:
            return list(self._files.values())

    def delete(self, file_id: str) -> None:
        """Forget a file."""
        with self._lock:
            self._files.pop(file_id, None)

    def begin(self, file: StoredFile) -> None:
        """Begin an upload in parts; only the newest few are waited for."""
        with self._lock:
            self._begun.pop(file.id, None)
            self._begun[file.id] = file, bytearray()
            self._forget_begun()

    def add(self, file_id: str, part: bytes, *, last: bool) -> StoredFile | None:
        """Add a part to an upload that was begun; the whole file with the last one.

        Raises `KeyError` for an upload that was not begun, or that is larger than all files may be together.
        """
        with self._lock:
            file, data = self._begun[file_id]
            if len(data) + len(part) > MOST_BYTES:
                del self._begun[file_id]
                raise KeyError(file_id)
            data += part
            if not last:
                self._begun.move_to_end(file_id)
                self._forget_begun()
                return None
            del self._begun[file_id]
        whole = msgspec.structs.replace(file, data=bytes(data))
        self.keep(whole)
        return whole

    def _forget_begun(self) -> None:
        """Forget the uploads that have waited longest, beyond the limits of the files."""
        size = sum(len(data) for _, data in self._begun.values())
        while len(self._begun) > MOST or (size > MOST_BYTES and len(self._begun) > 1):
            _, (_, data) = self._begun.popitem(last=False)
            size -= len(data)
