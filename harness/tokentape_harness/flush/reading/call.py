"""Reading what a function returns."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import msgspec

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.tasks import TaskReader
from tokentape_harness.flush.reading.threads import ThreadReader
from tokentape_harness.flush.targets import CallTarget


class CallReader:
    """Calls a function in a thread, or in the event loop if it is of coroutines, and takes what it yields."""

    def __init__(self, target: CallTarget, output: ObservedOutput, loop: asyncio.AbstractEventLoop) -> None:
        self._task: TaskReader | None = None
        if inspect.iscoroutinefunction(target.call) or inspect.isasyncgenfunction(target.call):
            self._task = TaskReader(_read_async(target, output), output, loop)
            return

        def read(left: threading.Event) -> None:
            made = target.call()
            if inspect.isawaitable(made) or hasattr(made, "__aiter__"):
                asyncio.run_coroutine_threadsafe(_read_made(made, output), loop).result()
                return
            try:
                for item in _pieces(made):
                    output.on_data(_bytes(item))
                    if left.is_set():
                        break
            finally:
                close = getattr(made, "close", None)
                if close is not None:
                    close()

        self._thread = ThreadReader(read, output)

    def leave(self) -> None:
        """Take no more."""
        (self._task or self._thread).leave()

    def close(self) -> None:
        """Leave."""
        (self._task or self._thread).close()


async def _read_async(target: CallTarget, output: ObservedOutput) -> None:
    await _read_made(target.call(), output)


async def _read_made(made: Any, output: ObservedOutput) -> None:
    if inspect.isawaitable(made):
        made = await made
    if not hasattr(made, "__aiter__"):
        for item in _pieces(made):
            output.on_data(_bytes(item))
        return
    try:
        async for item in made:
            output.on_data(_bytes(item))
    finally:
        aclose = getattr(made, "aclose", None)
        if aclose is not None:
            await aclose()


def _pieces(made: Any) -> Any:
    """What is iterated: text and bytes are one piece, and not as many as they have characters."""
    return (made,) if isinstance(made, str | bytes) or not hasattr(made, "__iter__") else made


def _bytes(item: object) -> bytes:
    match item:
        case bytes() | bytearray() | memoryview():
            return bytes(item)
        case str():
            return item.encode("utf-8", "replace")
        case dict() | list():
            return msgspec.json.encode(item, enc_hook=str) + b"\n"
        case _:
            # A ChatMessage says what it is about; other objects do so as a whole.
            text = getattr(item, "text", None)
            return (text if isinstance(text, str) else str(item)).encode("utf-8", "replace")
