"""Hidden packages: optional imports of other packages that a command does without, since they cost much CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def hidden(packages: Sequence[str]) -> Iterator[None]:
    """Within it, packages that are not imported yet can't be: for others they are not installed."""
    names = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
