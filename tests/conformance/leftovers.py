"""Leftovers of applications that run in the test's process: unclosed clients, environment variables."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cleared() -> Iterator[None]:
    """Afterwards the environment is as before, and what was left open is collected, without a warning."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
