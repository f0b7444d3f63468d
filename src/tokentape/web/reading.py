"""Streams read for a web response: closed when left, in a thread if plain, with a sign of life if silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from tokentape.message import ChatMessage
from tokentape.web.thread_reader import Puller
from tokentape.web.timeouts import Silence


async def async_messages(stream: Any) -> AsyncGenerator[ChatMessage | None, None]:
    """The messages of an async or a plain stream, which is closed however this ends."""
    if hasattr(stream, "__aiter__"):
        messages = aiter(stream)
        try:
            async for message in messages:
                yield message
        finally:
            for leaving in (messages, stream):
                aclose = getattr(leaving, "aclose", None)
                if aclose is not None:
                    await aclose()
        return
    puller = Puller(stream)
    try:
        while (pulled := await asyncio.wrap_future(puller.pull())) is not None:
            yield pulled
    finally:
        await asyncio.to_thread(puller.close)


async def close_unread(stream: Any) -> None:
    """Close a stream that nobody has begun to read."""
    aclose, close = getattr(stream, "aclose", None), getattr(stream, "close", None)
    if aclose is not None:
        await aclose()
    elif close is not None:
        await asyncio.to_thread(close)


async def with_heartbeat(
    messages: AsyncGenerator[ChatMessage | None, None], silence: Silence
) -> AsyncGenerator[ChatMessage | None, None]:
    """The messages, and None for each heartbeat between them. Raises RequestTimeoutError.

    One task reads all of them, one at a time as they are asked for: a stream may hold what belongs to a task
    (a timeout, a task group) from one message to the next.
    """
    asked: asyncio.Queue[asyncio.Future[ChatMessage | None]] = asyncio.Queue()

    async def read() -> None:
        async with contextlib.aclosing(messages):
            while True:
                answer = await asked.get()
                try:
                    message = await anext(messages, None)
                except Exception as error:
                    answer.set_exception(error)
                    return
                answer.set_result(message)

    reading = asyncio.ensure_future(read())
    try:
        while True:
            answer = asyncio.get_running_loop().create_future()
            asked.put_nowait(answer)
            for number, seconds in enumerate(silence.waits()):
                if number:
                    yield None
                if await silence.ended_within(answer, seconds):
                    break
            message = answer.result()
            if message is None:
                return
            yield message
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
