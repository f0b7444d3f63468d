"""Atomic file: names of the temporary files that replace a file in one step, and removal of abandoned ones."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

# A writer whose process is not known to be dead may be on another machine; no write takes this long.
_ABANDONED_S: Final = 3600.0


def temporary_path(path: Path) -> Path:
    """A new path beside a file, for its replacement; the name holds the id of this process."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files that killed writers of this file left behind.

    Call it under the lock of the file, so that no other process of this machine writes it.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)-[0-9a-f]{{8}}\.tmp")
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):  # noqa: PTH208 - a folder may hold thousands of other files
            found = pattern.fullmatch(name)
            if found is None:
                continue
            temporary = path.with_name(name)
            with contextlib.suppress(OSError):
                if _is_gone(int(found[1])) or time.time() - temporary.stat().st_mtime > _ABANDONED_S:
                    temporary.unlink()


def _is_gone(process: int) -> bool:
    """Whether no process of this machine has this id."""
    if os.name != "posix":
        return False  # on Windows any signal ends the process
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
