"""GC paused: turn garbage collection off while many lasting objects are loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Turn the cycle collector off in the block: its passes over the loaded objects take as long as loading them."""
    # If threads overlap, the one that turned it off turns it on again, perhaps too early for the others.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
