"""Reading the values that a function returns."""

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
    """Calls a function in a thread, or an async one in the event loop, and reads what it yields."""

    def __init__(self, target: CallTarget, output: ObservedOutput, loop: asyncio.AbstractEventLoop) -> None:
        self._task: TaskReader | None = None
        if inspect.iscoroutinefunction(target.call) or inspect.isasyncgenfunction(target.call):
            self._task = TaskReader(_read_async(target, output), output, loop)
            return

        def read(left: threading.Event) -> None:
            result = target.call()
            if inspect.isawaitable(result) or hasattr(result, "__aiter__"):
                asyncio.run_coroutine_threadsafe(_read_result(result, output), loop).result()
                return
            try:
                for item in _pieces(result):
                    output.on_data(_bytes(item))
                    if left.is_set():
                        break
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()

        self._thread = ThreadReader(read, output)

    def leave(self) -> None:
        """Read no more."""
        (self._task or self._thread).leave()

    def close(self) -> None:
        """Leave."""
        (self._task or self._thread).close()


async def _read_async(target: CallTarget, output: ObservedOutput) -> None:
    await _read_result(target.call(), output)


async def _read_result(result: Any, output: ObservedOutput) -> None:
    if inspect.isawaitable(result):
        result = await result
    if not hasattr(result, "__aiter__"):
        for item in _pieces(result):
            output.on_data(_bytes(item))
        return
    try:
        async for item in result:
            output.on_data(_bytes(item))
    finally:
        aclose = getattr(result, "aclose", None)
        if aclose is not None:
            await aclose()


def _pieces(result: Any) -> Any:
    """The pieces of a result: text and bytes are one piece, not one for each character."""
    return (result,) if isinstance(result, str | bytes) or not hasattr(result, "__iter__") else result


def _bytes(item: object) -> bytes:
    match item:
        case bytes() | bytearray() | memoryview():
            return bytes(item)
        case str():
            return item.encode("utf-8", "replace")
        case dict() | list():
            return msgspec.json.encode(item, enc_hook=str) + b"\n"
        case _:
            # A ChatMessage has text; of other objects it is their `str`.
            text = getattr(item, "text", None)
            return (text if isinstance(text, str) else str(item)).encode("utf-8", "replace")
