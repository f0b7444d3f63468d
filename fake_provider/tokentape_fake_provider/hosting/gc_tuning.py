"""Keeps the garbage collector from stopping streams, in a process that does nothing but serve."""

from __future__ import annotations

import gc
from typing import Final

# At 1,000 streams a full collection stops all of them for 10 ms and more, and by default there is one every few
# seconds. What is not needed any more is freed without it, except what other packages leave in cycles.
_FULL: Final = 100


def settle() -> None:
    """Exempt all that is loaded from garbage collection, and collect everything ten times more rarely."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _FULL)
