"""Reads an async stream in its own task, so the caller can do something else meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from tokentape.message import ChatMessage


class TaskReader:
    """Reads one message at a time, always in the same task; None is the end.

    A stream may keep something that is bound to a task (a timeout, a task group) from one message to the next.
    """

    def __init__(self, messages: AsyncGenerator[ChatMessage | None, None]) -> None:
        self._messages = messages
        self._requests: asyncio.Queue[asyncio.Future[ChatMessage | None]] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._read())

    def read_next(self) -> asyncio.Future[ChatMessage | None]:
        """Start reading the next message."""
        future: asyncio.Future[ChatMessage | None] = asyncio.get_running_loop().create_future()
        self._requests.put_nowait(future)
        return future

    async def aclose(self) -> None:
        """Close the stream, even while its task waits for a message."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        async with contextlib.aclosing(self._messages):
            while True:
                future = await self._requests.get()
                try:
                    message = await anext(self._messages, None)
                except Exception as error:
                    future.set_exception(error)
                    return
                except BaseException:
                    future.cancel()
                    raise
                future.set_result(message)
