"""An event loop in a thread of its own, for I/O that plain and async code share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class IOThread:
    """Runs coroutines in a daemon thread."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, ResultT]) -> Future[ResultT]:
        """Start a coroutine, from any thread. Cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(_run(coroutine), self.loop)

    def close(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _run(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine whose error is not logged if its caller was cancelled when it came."""
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    return await coroutine
