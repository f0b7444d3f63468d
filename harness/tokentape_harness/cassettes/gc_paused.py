"""Garbage: none is looked for while much is loaded that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Turn the collector of cycles off for this long, as to go through what is loaded takes as long as loading it."""
    # Of threads that do so at the same time the one that found it on turns it on again, perhaps early for the others.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
