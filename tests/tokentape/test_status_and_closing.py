"""Promises 5 and 6: status, and every way to leave a stream."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from tests.tokentape.driver import SYNC, AsyncSource, Events, Plain, both, events, fragment, on_event_loops
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    StreamedChatMessageIterator,
    TruncatedStreamError,
    astream_bytes,
    post_streaming_response,
    stream_bytes,
)

__all__ = ["events"]


def nothing_followed(stream: Any, source: Any, events: Events, calls: list[Any], text: str) -> None:
    """The stream was left after `text`: source closed once, no event, no callback, the partial output readable."""
    assert stream.status == "cancelled"
    assert source.closed == 1
    assert (events.all, calls) == ([], [])
    assert stream.get_chat_output().text == text
    assert stream.get_chat_output().error is None
    assert stream.get_chat_output() is stream.get_chat_output()


@both
async def test_status_goes_from_pending_to_complete(drive: Plain) -> None:
    """Pending before the first next, streaming while chunks come, complete when listeners and callbacks run."""
    stream = drive.stream("a", "b")
    seen = [stream.status]
    stream.add_callback(lambda message: seen.append(stream.status))
    events: Callable[..., None] = lambda sender, event: seen.append(stream.status)  # noqa: E731
    with post_streaming_response.connected_to(events):
        async for _ in drive.loop(stream):
            seen.append(stream.status)
    assert [*seen, stream.status] == ["pending", "streaming", "streaming", "complete", "complete", "complete"]


@both
async def test_status_is_complete_while_a_follow_up_streams(drive: Plain) -> None:
    """The follow-up has a status of its own."""
    stream, follow_up = drive.stream("a"), drive.stream("b")
    stream.add_callback(lambda message: follow_up)
    seen = [(chunk.text, stream.status, follow_up.status) async for chunk in drive.loop(stream)]
    assert seen == [("a", "streaming", "pending"), ("b", "complete", "streaming")]
    assert follow_up.status == "complete"


@both
async def test_status_is_failed_after_an_error(drive: Plain) -> None:
    """Failed, and the error is kept."""
    stream = drive.stream("a", error := OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await drive.read(stream)
    assert (stream.status, stream.error, stream.get_chat_output().error) == ("failed", error, error)
    with pytest.raises(OSError, match="gone"):
        stream.get_chat_output().raise_for_error()


def test_an_output_without_an_error_raises_none() -> None:
    """`raise_for_error` returns the output of a complete stream."""
    output = SYNC.stream("a").get_chat_output()
    assert output.raise_for_error() is output


@both
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_leaving_the_loop_closes_the_source(drive: Plain, events: Events, limit: int) -> None:
    """A loop that is left at any chunk, the last included: closed once, and nothing follows."""
    source = drive.Source("a", "b", "c")
    stream = drive.of(source)
    calls: list[Any] = []
    stream.add_callback(calls.append)
    assert await drive.text(stream, limit) == "abc"[:limit]
    nothing_followed(stream, source, events, calls, "abc"[:limit])
    await drive.close(stream)
    assert await drive.text(stream) == "abc"[:limit]
    assert source.closed == 1


def test_a_bare_break_closes_the_source_at_once(events: Events) -> None:
    """`break` in a plain loop is enough."""
    source = SYNC.Source("a", "b")
    stream = StreamedChatMessageIterator(source)
    for _ in stream:
        break
    nothing_followed(stream, source, events, [], "a")


@on_event_loops
async def test_a_bare_break_in_an_async_loop_is_closed_by_aclose(drive: Plain, events: Events) -> None:
    """aclose() after `break` closes at once; `async with` does the same."""
    source = drive.Source("a", "b")
    stream = drive.of(source)
    async with stream:
        loop = aiter(stream)
        await anext(loop)
    nothing_followed(stream, source, events, [], "a")
    await loop.aclose()
    assert source.closed == 1


def test_a_bare_break_in_an_async_loop_is_closed_by_the_event_loop(events: Events) -> None:
    """asyncio closes what a loop abandoned."""
    source = AsyncSource("a", "b")
    stream = AsyncStreamedChatMessageIterator(source)

    async def main() -> None:
        async for _ in stream:
            break
        for _ in range(5):
            await asyncio.sleep(0)
        nothing_followed(stream, source, events, [], "a")

    asyncio.run(main())


def test_an_exception_in_the_loop_body_closes_the_source(events: Events) -> None:
    """The reader's own error leaves the loop as break does."""
    source = SYNC.Source("a", "b")
    stream = StreamedChatMessageIterator(source)
    with pytest.raises(KeyError):  # noqa: PT012
        for chunk in stream:
            raise KeyError(chunk.text)
    nothing_followed(stream, source, events, [], "a")


def test_a_generator_around_the_loop_closes_the_source(events: Events) -> None:
    """GeneratorExit in a function that yields the stream's chunks on reaches the source."""
    source = SYNC.Source("a", "b")
    stream = StreamedChatMessageIterator(source)

    def texts() -> Iterator[str]:
        for chunk in stream:
            yield chunk.text

    outer = texts()
    assert next(outer) == "a"
    outer.close()  # type: ignore[attr-defined]
    nothing_followed(stream, source, events, [], "a")


@both
async def test_closing_before_the_first_next(drive: Plain, events: Events) -> None:
    """The source is closed without being read, and the loop ends at once."""
    source = drive.Source("a")
    stream = drive.of(source)
    calls: list[Any] = []
    stream.add_callback(calls.append)
    await drive.close(stream)
    assert await drive.read(stream) == []
    nothing_followed(stream, source, events, calls, "")
    assert (source.begun, source.reads) == (0, 0)


@both
async def test_closing_twice_and_after_the_end(drive: Plain, events: Events) -> None:
    """close() may be called at any time, any number of times; what has ended stays as it is."""
    source = drive.Source("a", "b")
    stream = drive.of(source)
    await drive.next(stream)
    await drive.close(stream)
    await drive.close(stream)
    nothing_followed(stream, source, events, [], "a")
    assert await drive.next(stream) is None
    complete_source = drive.Source("a")
    complete = drive.of(complete_source)
    await drive.read(complete)
    await drive.close(complete)
    assert (complete.status, complete_source.closed, len(events.all)) == ("complete", 1, 1)
    failing_source = drive.Source(ValueError())
    failed = drive.of(failing_source)
    with pytest.raises(ValueError):
        await drive.read(failed)
    await drive.close(failed)
    assert (failed.status, failing_source.closed) == ("failed", 1)


@both
async def test_a_with_block_closes(drive: Plain, events: Events) -> None:
    """The end of the block closes, also by an exception, which is not swallowed."""
    source = drive.Source("a", "b")
    stream = drive.of(source)

    def plainly() -> None:
        with stream as same:
            assert same is stream
            next(stream)
            raise KeyError

    async def asynchronously() -> None:
        async with stream as same:
            assert same is stream
            await anext(stream)
            raise KeyError

    with pytest.raises(KeyError):  # noqa: PT012
        if drive.is_async:
            await asynchronously()
        else:
            plainly()
    nothing_followed(stream, source, events, [], "a")


@both
async def test_a_close_function_is_called_instead_of_the_sources_own(drive: Plain) -> None:
    """`close=` is what closes, once, however the stream ends."""
    for items, limit in ((["a", "b"], 1), (["a"], None), ([OSError()], None)):
        source = drive.Source(*items)
        closed: list[int] = []
        stream = drive.of(source, close=drive.callback(lambda closed=closed: closed.append(1)))
        with contextlib.suppress(OSError):
            await drive.read(stream, limit)
        await drive.close(stream)
        assert (closed, source.closed) == ([1], 0)


@both
async def test_a_generator_source_runs_its_finally(drive: Plain) -> None:
    """A generator's own clean-up runs when the loop is left, before close() returns."""
    cleaned: list[str] = []

    def plain() -> Iterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            yield ChatMessage("b")
        finally:
            cleaned.append("source")

    async def asynchronous() -> AsyncIterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            yield ChatMessage("b")
        finally:
            await anyio.lowlevel.checkpoint()
            cleaned.append("source")

    class Begins:
        """An iterable whose iterator is another object."""

        def __iter__(self) -> Iterator[ChatMessage]:
            return plain()

        def __aiter__(self) -> AsyncIterator[ChatMessage]:
            return asynchronous()

    for source in ((asynchronous if drive.is_async else plain)(), Begins()):
        cleaned.clear()
        assert await drive.text(drive.of(source), 1) == "a"
        assert cleaned == ["source"]


@both
async def test_a_byte_source_is_closed_once_at_the_terminal_event(drive: Plain) -> None:
    """Nothing is read after [DONE], and the source of bytes is closed then, as it is when the loop is left."""
    event = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'

    class Bytes:
        def __init__(self) -> None:
            self.pieces = [event, event, b"data: [DONE]\n\n", b"never read"]
            self.closed = 0

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            return self.pieces.pop(0)

        def close(self) -> None:
            self.closed += 1

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self  # type: ignore[return-value]

        async def __anext__(self) -> bytes:
            return self.pieces.pop(0)

        async def aclose(self) -> None:
            self.closed += 1

    for limit in (None, 1):
        source = Bytes()
        stream = (astream_bytes if drive.is_async else stream_bytes)(source)  # type: ignore[arg-type]
        assert len(await drive.read(stream, limit)) == (limit or 2)
        assert source.closed == 1
        assert b"never read" in source.pieces


@on_event_loops
async def test_byte_generators_are_closed_before_aclose_returns(drive: Plain) -> None:
    """An async generator of bytes, or what begins one, is not left to the garbage collector."""
    cleaned: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
        finally:
            await anyio.lowlevel.checkpoint()
            cleaned.append("pieces")

    class Begins:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return pieces()

    for source in (pieces(), Begins()):
        cleaned.clear()
        assert await drive.text(astream_bytes(source), 2) == "aa"
        assert cleaned == ["pieces"]
        gc.collect()


@both
async def test_a_source_that_fails_to_close_raises_after_everything_was_delivered(drive: Plain) -> None:
    """An error of close() loses nothing: text, event and callbacks come first. It propagates from an early close()."""
    calls: list[str] = []

    def failing() -> None:
        raise OSError("close failed")

    stream = drive.of(drive.Source("a"), close=drive.callback(failing))
    stream.add_callback(lambda message: calls.append(message.text))
    with pytest.raises(OSError, match="close failed"):
        await drive.read(stream)
    assert (stream.status, stream.text, calls) == ("complete", "a", ["a"])
    left = drive.of(drive.Source("a"), close=drive.callback(failing))
    with pytest.raises(OSError, match="close failed"):
        await drive.close(left)
    await drive.close(left)
    assert left.status == "cancelled"


def blocking_source(entered: threading.Event, go_on: threading.Event, then: str) -> Iterator[ChatMessage]:
    """One chunk, and then a wait in the middle of the read."""
    try:
        yield ChatMessage("a")
        entered.set()
        assert go_on.wait(10)
        if then == "error":
            raise OSError("closed")
        if then == "chunk":
            yield ChatMessage("late")
    except GeneratorExit:
        entered.clear()
        raise


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


@both
async def test_leaving_inside_a_follow_up(drive: Plain, events: Events) -> None:
    """The first stream is complete, its follow-up cancelled and closed; later callbacks don't run."""
    source = drive.Source("b", "c")
    stream, follow_up = drive.stream("a"), drive.of(source)
    calls: list[Any] = []
    stream.add_callback(lambda message: follow_up)
    stream.add_callback(calls.append)
    follow_up.add_callback(calls.append)
    assert await drive.text(stream, 2) == "ab"
    assert (stream.status, follow_up.status, source.closed, calls) == ("complete", "cancelled", 1, [])
    assert [event.output for event in events.all] == [stream.get_chat_output()]
    assert (stream.text, follow_up.text, stream.get_combined_output().text) == ("a", "b", "ab")


@both
async def test_a_partial_output_has_unfinished_tool_calls(drive: Plain) -> None:
    """What had come of a call when the reader left is kept, marked invalid."""
    stream = drive.stream(fragment(0, "1", "f"), fragment(0, arguments='{"a":'), fragment(0, arguments="1}"))
    await drive.read(stream, 2)
    (call,) = stream.get_chat_output().message.tool_calls
    assert (call.name, call.raw_arguments, call.valid) == ("f", '{"a":', False)


@both
async def test_one_of_two_loops_may_leave_and_the_source_stays_open(drive: Plain) -> None:
    """The source is closed when the last loop leaves."""
    source = drive.Source("a", "b", "c")
    stream = drive.of(source)
    outer: list[str] = []
    async for chunk in drive.loop(stream):
        outer.append(chunk.text)
        await drive.read(stream, 1)
        assert source.closed == 0 or len(outer) == 3
    assert (outer, source.closed, stream.status) == (["a", "b", "c"], 1, "complete")


def test_a_stream_that_is_dropped_in_the_middle_is_closed() -> None:
    """The garbage collector closes what nobody holds any more."""
    source = SYNC.Source("a", "b")
    stream = StreamedChatMessageIterator(source)
    next(stream)
    del stream
    gc.collect()
    assert source.closed == 1


def test_a_closed_stream_is_not_truncated() -> None:
    """Leaving before the terminal event is no error; only input that ends too early is."""
    body = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    stream = stream_bytes([body])
    for _ in stream:
        break
    assert stream.status == "cancelled"
    with pytest.raises(TruncatedStreamError):
        list(stream_bytes([body]))
