"""Readers that are threads, for what can only be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.tasks import said

# How long a thread may take to notice that it is left, in s.
_CLOSING = 2.0


class ThreadReader:
    """Runs a function that reads into a far end; it must end once `left` is set and it gets to look.

    A thread can't be stopped: one that waits for its app ends when the app does.
    """

    def __init__(self, read: Callable[[threading.Event], None], output: ObservedOutput) -> None:
        self._read = read
        self._far_end = output
        self.left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tokentape-flush-reader", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Take no more."""
        self.left.set()

    def close(self) -> None:
        """Leave."""
        self.left.set()
        self._thread.join(_CLOSING)

    def _run(self) -> None:
        try:
            self._read(self.left)
        except Exception as error:
            self._far_end.on_end(said(error), broken=True)
        else:
            self._far_end.on_end()
