"""An event loop without a thread, which runs while a caller waits for a result from it."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import Any

from tokentape_fake_provider.errors import StepError


class DrivenLoop(asyncio.SelectorEventLoop):
    """An event loop that is idle between calls of `drive`; threads that drive at once take turns."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._driven = False
        self._closing = False

    def drive(self, future: Future[Any], timeout: float | None = None) -> None:
        """Run until `future` is done. Raises `TimeoutError` after `timeout` s, `StepError` inside an event loop."""
        if asyncio._get_running_loop() is not None:
            raise StepError("a sync client can't wait inside a running event loop: use an async one there")
        until = None if timeout is None else time.monotonic() + timeout
        future.add_done_callback(self._wake)
        while not future.done():
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            with self._changed:
                if self._driven:
                    self._changed.wait(left)
                    continue
                self._driven = True
            try:
                # Another thread, or a stream that was closed as garbage, may have run it to its end until now.
                if not future.done():
                    self._run(left)
            finally:
                with self._changed:
                    self._driven = False
                    self._changed.notify_all()

    def shut_down(self) -> None:
        """Cancel all tasks, and close."""
        # Stops of finished futures are still queued: they would interrupt the waits below.
        self._closing = True
        self.call_soon(self.stop)
        self.run_forever()
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()

    def _run(self, seconds: float | None) -> None:
        timer = None if seconds is None else self.call_later(seconds, self.stop)
        try:
            self.run_forever()
        finally:
            if timer is not None:
                timer.cancel()

    def _wake(self, _: Future[Any]) -> None:
        with self._changed:
            self._changed.notify_all()
        if not (self._closing or self.is_closed()):
            self.call_soon_threadsafe(self.stop)
