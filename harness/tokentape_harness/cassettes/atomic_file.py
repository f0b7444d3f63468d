"""Temporary files: what is written beside a file before it takes its place, and what killed writers left of them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

# A writer that is not known to be dead may be on another machine, or be slow: nothing is written for so long.
_ABANDONED_S: Final = 3600.0


def temporary_of(path: Path) -> Path:
    """A new name beside a file, for what is about to replace it; it names this process."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files of writers of this file that were killed.

    Call it where no other process of this machine writes the file, as under its lock.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)-[0-9a-f]{{8}}\.tmp")
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):  # noqa: PTH208 - a folder may hold thousands of other files
            found = pattern.fullmatch(name)
            if found is None:
                continue
            left = path.with_name(name)
            with contextlib.suppress(OSError):
                if _is_gone(int(found[1])) or time.time() - left.stat().st_mtime > _ABANDONED_S:
                    left.unlink()


def _is_gone(process: int) -> bool:
    """Whether there is no such process here."""
    if os.name != "posix":
        return False  # on Windows to signal a process ends it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
