"""Waits for a future of another event loop, from any thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

import anyio.to_thread

from tokentape_fake_provider.errors import StepError, StepTimeoutError
from tokentape_fake_provider.event_loops.driven_loop import DrivenLoop

T = TypeVar("T")


def wait(loop: asyncio.AbstractEventLoop, future: Future[T], timeout: float, problem: str) -> T:
    """Return the result of a future of `loop`, within `timeout` s.

    Raises `StepTimeoutError`, which names `problem`, and `StepError` inside that loop, where waiting would hang.
    """
    if running_loop() is loop:
        raise StepError("this would wait for its own event loop: await the method whose name begins with a")
    try:
        if isinstance(loop, DrivenLoop):
            loop.drive(future, timeout)
        return future.result(timeout)
    except TimeoutError:
        if not future.done():
            raise timeout_error(future, timeout, problem) from None
        raise


async def wait_async(future: Future[T], timeout: float, problem: str) -> T:  # noqa: ASYNC109
    """`wait` for coroutines."""
    try:
        return await result_within(future, timeout)
    except TimeoutError:
        if not future.done() or future.cancelled():
            raise timeout_error(future, timeout, problem) from None
        raise


async def result_within(future: Future[T], timeout: float) -> T:  # noqa: ASYNC109
    """Return the result, under asyncio or trio. Raises `TimeoutError`; the future is then abandoned."""
    if running_loop() is None:
        return await anyio.to_thread.run_sync(future.result, timeout, abandon_on_cancel=True)
    return await asyncio.wait_for(asyncio.wrap_future(future), timeout)


def timeout_error(future: Future[T], timeout: float, problem: str) -> StepTimeoutError:
    """Cancel a future that nobody waits for any more, and return the error to raise."""
    future.cancel()
    return StepTimeoutError(f"{problem} within {timeout:g} s")


def settle(future: Future[None], error: BaseException | None = None) -> None:
    """Set the result, or the error, unless the waiter has cancelled the future."""
    with suppress(InvalidStateError):
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
