"""A stream whose reader is interrupted or cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import anyio
import pytest

from tests.tokentape.driver import SYNC, AsyncSource, Events, Plain, events, on_event_loops
from tests.tokentape.left_streams import nothing_followed
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    StreamedChatMessageIterator,
)

__all__ = ["events"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_in_the_source_cancels(events: Events, error: type[BaseException]) -> None:
    """What is no Exception is no failure of the stream: it propagates, the source is closed, no signal is sent."""
    source = SYNC.Source("a", error())
    stream = StreamedChatMessageIterator(source)
    with pytest.raises(error):
        list(stream)
    nothing_followed(stream, source, events, [], "a")


@on_event_loops
async def test_cancellation_while_the_source_waits(drive: Plain, events: Events) -> None:
    """A task that is cancelled in the middle of a read closes the source, whose clean-up may itself wait."""
    cleaned: list[str] = []

    class Waiting(AsyncSource):
        async def __anext__(self) -> ChatMessage:
            if self.reads == 1:
                await anyio.sleep_forever()
            return await super().__anext__()

        async def aclose(self) -> None:
            await super().aclose()
            cleaned.append("after a wait")

    source = Waiting("a", "b")
    stream = drive.of(source)
    calls: list[Any] = []
    stream.add_callback(calls.append)

    async def read() -> None:
        await drive.read(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    nothing_followed(stream, source, events, calls, "a")
    assert cleaned == ["after a wait"]


def test_asyncio_cancellation_of_the_reading_task(events: Events) -> None:
    """task.cancel() propagates CancelledError and closes the source once."""

    class Waiting(AsyncSource):
        async def __anext__(self) -> ChatMessage:
            if self.reads == 1:
                waiting.set()
                await asyncio.Event().wait()
            return await super().__anext__()

    source = Waiting("a")
    waiting = asyncio.Event()

    async def main() -> None:
        stream = AsyncStreamedChatMessageIterator(source)

        async def read() -> None:
            async for _ in stream:
                pass

        task = asyncio.create_task(read())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        nothing_followed(stream, source, events, [], "a")

    asyncio.run(main())


def test_cancelled_error_raised_inside_the_source(events: Events) -> None:
    """A CancelledError of the source's own propagates as one, and the stream is cancelled."""
    source = AsyncSource("a", asyncio.CancelledError())
    stream = AsyncStreamedChatMessageIterator(source)

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            async for _ in stream:
                pass

    asyncio.run(main())
    nothing_followed(stream, source, events, [], "a")


@on_event_loops
async def test_cancellation_between_two_chunks(drive: Plain, events: Events) -> None:
    """A task that is cancelled in the body of its loop closes the source."""
    source = drive.Source("a", "b")
    stream = drive.of(source)
    with anyio.CancelScope() as scope:
        async with contextlib.aclosing(aiter(stream)) as chunks:
            async for _ in chunks:
                scope.cancel()
                await anyio.lowlevel.checkpoint()
    nothing_followed(stream, source, events, [], "a")
