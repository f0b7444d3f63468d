"""A stream that is closed while it is read: by another thread or task, its source, or a callback."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from tests.tokentape.driver import SYNC, Events, Plain, both, events, on_event_loops
from tests.tokentape.left_streams import blocking_source
from tokentape import (
    ChatMessage,
    StreamedChatMessageIterator,
)

__all__ = ["events"]


@pytest.mark.parametrize("then", ["chunk", "end", "error"])
@pytest.mark.parametrize("own_close", [True, False])
def test_closing_from_another_thread_while_reading(events: Events, then: str, own_close: bool) -> None:
    """Cancelled at once; the reader's loop ends with what it had, whatever the closed source does then."""
    entered, go_on = threading.Event(), threading.Event()
    closed: list[int] = []
    source = blocking_source(entered, go_on, then)
    stream = StreamedChatMessageIterator(source, close=(lambda: closed.append(1)) if own_close else None)
    calls: list[Any] = []
    stream.add_callback(calls.append)
    seen: list[str] = []
    raised: list[BaseException] = []

    def read() -> None:
        try:
            seen.extend(chunk.text for chunk in stream)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert entered.wait(10)
    stream.close()
    assert (stream.status, stream.text, closed) == ("cancelled", "a", [1] if own_close else [])
    go_on.set()
    thread.join(10)
    assert (seen, raised, events.all, calls) == (["a"], [], [], [])
    assert (stream.status, stream.text, closed) == ("cancelled", "a", [1] if own_close else [])
    assert source.gi_frame is None or own_close  # type: ignore[attr-defined]


def test_closing_from_another_thread_in_a_follow_up() -> None:
    """The follow-up that is being read ends too, and no further callback runs."""
    entered, go_on = threading.Event(), threading.Event()
    stream = SYNC.stream("0")
    follow_up = StreamedChatMessageIterator(blocking_source(entered, go_on, "chunk"))
    calls: list[Any] = []
    stream.add_callback(lambda message: follow_up)
    stream.add_callback(calls.append)
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.extend(chunk.text for chunk in stream))
    thread.start()
    assert entered.wait(10)
    stream.close()
    go_on.set()
    thread.join(10)
    assert (seen, calls) == (["0", "a"], [])
    assert (stream.status, follow_up.status, follow_up.text) == ("complete", "cancelled", "a")


@pytest.mark.parametrize("then", ["chunk", "end", "error"])
@on_event_loops
async def test_closing_from_another_task_while_reading(drive: Plain, events: Events, then: str) -> None:
    """The reader's loop ends with what it had; a generator that was being read is closed when it comes back."""
    go_on = anyio.Event()
    cleaned: list[int] = []

    async def source() -> AsyncIterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            await go_on.wait()
            if then == "error":
                raise OSError("closed")
            if then == "chunk":
                yield ChatMessage("late")
        finally:
            cleaned.append(1)

    stream = drive.of(source())
    calls: list[Any] = []
    stream.add_callback(calls.append)
    seen: list[str] = []

    async def read() -> None:
        seen.append(await drive.text(stream))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        await stream.aclose()
        await stream.aclose()
        assert (stream.status, seen) == ("cancelled", [])
        go_on.set()
    assert (seen, cleaned, events.all, calls) == (["a"], [1], [], [])
    assert (stream.status, stream.text) == ("cancelled", "a")


@on_event_loops
async def test_closing_from_another_task_in_a_follow_up(drive: Plain) -> None:
    """The follow-up that is being read ends too, and no further callback runs."""
    go_on = anyio.Event()

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("a")
        await go_on.wait()
        yield ChatMessage("late")

    stream, follow_up = drive.stream("0"), drive.of(source())
    calls: list[Any] = []
    stream.add_callback(lambda message: follow_up)
    stream.add_callback(calls.append)
    seen: list[str] = []

    async def read() -> None:
        seen.append(await drive.text(stream))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        await stream.aclose()
        go_on.set()
    assert (seen, calls, follow_up.status) == (["0a"], [], "cancelled")


@both
async def test_a_source_may_close_the_stream_that_reads_it(drive: Plain, events: Events) -> None:
    """Closed from within its own read, the stream ends after what was delivered."""
    streams: list[Any] = []

    def plain() -> Iterator[ChatMessage]:
        yield ChatMessage("a")
        streams[0].close()
        yield ChatMessage("b")

    async def asynchronous() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("a")
        await streams[0].aclose()
        yield ChatMessage("b")

    streams.append(drive.of((asynchronous if drive.is_async else plain)()))
    assert await drive.text(streams[0]) == "a"
    assert (streams[0].status, streams[0].text, events.all) == ("cancelled", "a", [])


@both
async def test_a_callback_that_closes_the_stream_is_the_last(drive: Plain) -> None:
    """After close() no callback runs, and what is returned is not followed."""
    stream = drive.stream("a")
    calls: list[Any] = []

    def close(message: ChatMessage) -> None:
        stream.close()

    async def aclose(message: ChatMessage) -> None:
        await stream.aclose()

    stream.add_callback(aclose if drive.is_async else close)
    stream.add_callback(calls.append)
    assert await drive.text(stream) == "a"
    assert (stream.status, calls) == ("complete", [])
