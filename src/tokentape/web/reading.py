"""Reads streams for a web response: plain ones in a thread, with heartbeats, and closed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from tokentape.errors import ConfigurationError, ReadCancelledError
from tokentape.message import ChatMessage
from tokentape.stream.thread_reader import ThreadReader
from tokentape.stream.timeouts import Timeouts
from tokentape.web.task_reader import TaskReader


def checked_stream(stream: Any) -> Any:
    """Return the stream of messages that `stream` is or has. Raises ConfigurationError if there is none."""
    stream = getattr(stream, "normalized", stream)
    if inspect.iscoroutine(stream):
        stream.close()
        raise ConfigurationError(
            f"the stream is the coroutine {stream.__qualname__}(): await it first, such as "
            "`await provider.achat(..., stream=True)`"
        )
    is_iterable = hasattr(stream, "__iter__") or hasattr(stream, "__aiter__")
    if not is_iterable or isinstance(stream, str | bytes | Mapping | type):
        raise ConfigurationError(
            f"the stream is of the type {type(stream).__name__}; it must be an iterator of messages, or a response of "
            "a provider's client with stream=True"
        )
    return stream


def require_asyncio() -> None:
    """Raise ConfigurationError in an event loop other than asyncio's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "async streams as web responses, and smooth(), need asyncio, and another event loop (trio's) runs here: "
            "use asyncio, or read the messages of the stream yourself, which works in any event loop"
        ) from None


async def async_messages(stream: Any) -> AsyncGenerator[ChatMessage | None, None]:
    """Yield the messages of an async or a plain stream, and close it in any case.

    A source that is cancelled by itself, not with its reader, has failed: raises ReadCancelledError.
    """
    try:
        if hasattr(stream, "__aiter__"):
            messages = aiter(stream)
            try:
                async for message in messages:
                    yield message
            finally:
                for closable in (messages, stream):
                    aclose = getattr(closable, "aclose", None)
                    if aclose is not None:
                        await aclose()
            return
        reader = ThreadReader(stream)
        try:
            while (message := await asyncio.wrap_future(reader.read_next())) is not None:
                yield message
        finally:
            await asyncio.to_thread(reader.close)
    except (asyncio.CancelledError, BaseExceptionGroup) as error:
        task = asyncio.current_task()
        if isinstance(error, Exception) or task is None or task.cancelling():
            raise
        raise ReadCancelledError("the source of the stream was cancelled: the rest was not received") from error


async def close_unread(stream: Any) -> None:
    """Close a stream that was never read."""
    aclose, close = getattr(stream, "aclose", None), getattr(stream, "close", None)
    if aclose is not None:
        await aclose()
    elif close is not None:
        await asyncio.to_thread(close)


async def with_heartbeat(
    messages: AsyncGenerator[ChatMessage | None, None], timeouts: Timeouts
) -> AsyncGenerator[ChatMessage | None, None]:
    """Yield the messages, and None for each heartbeat between them. Raises RequestTimeoutError."""
    async with contextlib.aclosing(TaskReader(messages)) as reader:
        while True:
            future = reader.read_next()
            for number, seconds in enumerate(timeouts.waits()):
                if number:
                    yield None
                if await timeouts.await_done(future, seconds):
                    break
            message = future.result()
            if message is None:
                return
            yield message
