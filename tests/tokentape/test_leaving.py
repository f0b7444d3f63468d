"""A stream that is left: its source is closed, once and at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from tests.tokentape.driver import SYNC, AsyncSource, Events, Plain, both, events, fragment, on_event_loops
from tests.tokentape.left_streams import nothing_followed
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    StreamedChatMessageIterator,
    TruncatedStreamError,
    astream_bytes,
    stream_bytes,
)

__all__ = ["events"]


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
