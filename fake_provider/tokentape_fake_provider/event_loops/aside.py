"""Aside: work that an event loop awaits and that holds it up by no more than a switch of threads."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def run_aside(work: Callable[[], T]) -> T:
    """The result of `work` in a thread of its own, which does not keep the process from ending."""
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
        # To look for garbage among what is being made stops all threads for as long as making it takes them.
        collects = gc.isenabled()
        gc.disable()
        try:
            result = work()
        except BaseException as raised:
            error = raised
        finally:
            if gc.get_freeze_count():
                gc.freeze()  # as the process around has chosen for what it keeps
            if collects:
                gc.enable()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="tokentape-encode", daemon=True).start()
    return await future
