"""Readers that are threads, for functions that block."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.tasks import describe_error

# How long a thread may take to notice `left`, in s.
_CLOSING = 2.0


class ThreadReader:
    """Runs a function that reads the output, and that must return soon after `left` is set.

    A thread can't be stopped: one that waits for its app ends when the app does.
    """

    def __init__(self, read: Callable[[threading.Event], None], output: ObservedOutput) -> None:
        self._read = read
        self._output = output
        self.left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tokentape-flush-reader", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Read no more."""
        self.left.set()

    def close(self) -> None:
        """Read no more, and wait for the thread."""
        self.left.set()
        self._thread.join(_CLOSING)

    def _run(self) -> None:
        try:
            self._read(self.left)
        except Exception as error:
            self._output.on_end(describe_error(error), broken=True)
        else:
            self._output.on_end()
