"""Readers that are tasks of an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from tokentape_harness.flush.observed_output import ObservedOutput

# How long a cancelled task may take to end, in s.
_CLOSING = 2.0


class TaskReader:
    """Runs a coroutine that reads the output; if it raises, the output ended broken."""

    def __init__(
        self, reading: Coroutine[Any, Any, None], output: ObservedOutput, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._future = asyncio.run_coroutine_threadsafe(_until_the_end(reading, output), loop)

    def leave(self) -> None:
        """Cancel the coroutine, and don't wait."""
        self._future.cancel()

    def close(self) -> None:
        """Cancel the coroutine, and wait for its end."""
        self._future.cancel()
        with suppress(CancelledError, TimeoutError):
            self._future.result(_CLOSING)


async def _until_the_end(reading: Coroutine[Any, Any, None], output: ObservedOutput) -> None:
    try:
        await reading
    except asyncio.CancelledError:
        output.on_end("the checker left", broken=True)
        raise
    except Exception as error:
        output.on_end(describe_error(error), broken=True)
    else:
        output.on_end()


def describe_error(error: BaseException) -> str:
    """An exception's type and message on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
