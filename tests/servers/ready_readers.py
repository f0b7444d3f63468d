"""The readers of docs/readers.md, as files that can be run."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.pages import code_blocks, page_text

PAGE = page_text("docs/readers.md")
RUNNER: Final = "python read.py client.py"


def readers() -> dict[str, str]:
    """The code of each block by the name in its first comment; the one that runs the others is `RUNNER`."""
    found = {}
    for block in code_blocks(PAGE, "python"):
        name = block.splitlines()[0].removeprefix("# ")
        found[name if name == RUNNER else name.partition(":")[0]] = block
    return found


@cache
def written(name: str) -> tuple[str, str]:
    """The runner and a reader as files; where they are."""
    folder = Path(tempfile.mkdtemp(prefix="tokentape-readers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    paths = folder / "read.py", folder / "client.py"
    for path, key in zip(paths, (RUNNER, name), strict=True):
        path.write_text(readers()[key])
    return str(paths[0]), str(paths[1])
