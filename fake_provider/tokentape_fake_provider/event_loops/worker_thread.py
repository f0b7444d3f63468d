"""Runs work in a thread, so it delays the event loop by no more than a thread switch."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

# Set once the process has exempted its permanent objects from collections: to count a million takes 20 ms.
_EXEMPTS: Final = threading.Event()


async def run_in_thread(work: Callable[[], T]) -> T:
    """Run `work` in its own daemon thread and return its result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        # A garbage collection among the new objects would stop all threads for as long as the work itself.
        collects = gc.isenabled()
        gc.disable()
        try:
            result = work()
        except BaseException as raised:
            error = raised
        finally:
            if _EXEMPTS.is_set() or gc.get_freeze_count():
                _EXEMPTS.set()
                gc.freeze()  # the process has chosen that for its permanent objects
            if collects:
                gc.enable()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="tokentape-encode", daemon=True).start()
    return await future
