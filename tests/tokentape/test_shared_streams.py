"""Promise 4 under pressure: readers that share a stream and leave, or are cancelled, at any time."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from tests.tokentape.driver import on_event_loops
from tokentape import ChatMessage, ReadCancelledError, StreamedChatMessageIterator
from tokentape.text_run import TextRun


class Gated:
    """An async source that waits before its second chunk until it may go on; `waiting` is set while it does."""

    def __init__(self) -> None:
        self.waiting, self.go_on = anyio.Event(), anyio.Event()
        self.closed = 0

    async def chunks(self) -> AsyncIterator[ChatMessage]:
        """Two chunks."""
        try:
            yield ChatMessage("a")
            self.waiting.set()
            await self.go_on.wait()
            yield ChatMessage("b")
        finally:
            self.closed += 1


async def by_scope(stream: Any, source: Gated) -> None:
    """Cancelled by a scope of anyio."""
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_all, stream)
            await source.waiting.wait()
            await anyio.wait_all_tasks_blocked()
            scope.cancel()


async def by_task_cancel(stream: Any, source: Gated) -> None:
    """Cancelled by task.cancel()."""
    task = asyncio.ensure_future(read_all(stream))
    await source.waiting.wait()
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(stream: Any, source: Gated) -> None:
    """Cancelled by asyncio.timeout."""

    async def read() -> None:
        async with asyncio.timeout(None) as timeout:
            waits = asyncio.ensure_future(source.waiting.wait())
            waits.add_done_callback(lambda _: timeout.reschedule(0))
            await read_all(stream)

    with pytest.raises(TimeoutError):
        await read()


async def read_all(stream: Any) -> str:
    """The text that a loop sees."""
    return "".join([chunk.text async for chunk in stream])


@pytest.mark.parametrize("cancelled", [by_scope, by_task_cancel, by_timeout])
@on_event_loops
async def test_a_reader_beside_one_that_is_cancelled_gets_an_error(
    drive: Any, cancelled: Callable[[Any, Gated], Awaitable[None]]
) -> None:
    """The read that was cancelled can't be taken up again: what came is never taken for the whole, then or later."""
    if drive.name == "trio" and cancelled is not by_scope:
        pytest.skip("asyncio's own")
    source = Gated()
    stream = drive.of(source.chunks())
    seen: list[str] = []

    async def wait_for_the_rest() -> None:
        loop = aiter(stream)
        seen.append((await anext(loop)).text)
        with pytest.raises(ReadCancelledError, match="the rest was not received") as caught:
            await anext(loop)
        assert caught.value.output is stream.get_chat_output()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancelled, stream, source)
            await source.waiting.wait()
            tasks.start_soon(wait_for_the_rest)
    with pytest.raises(ReadCancelledError):
        await read_all(stream)
    assert (seen, stream.text, stream.status, source.closed) == (["a"], "a", "cancelled", 1)


@on_event_loops
async def test_a_reader_that_waits_for_another_may_be_cancelled(drive: Any) -> None:
    """The one that reads the source gets everything, and so does the next."""
    source = Gated()
    stream = drive.of(source.chunks())
    seen: list[str] = []

    async def read() -> None:
        seen.append(await read_all(stream))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await source.waiting.wait()
            with anyio.move_on_after(0):
                await read_all(stream)
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            source.go_on.set()
    assert (seen, stream.status) == (["ab", "ab"], "complete")


@on_event_loops
async def test_a_loop_that_is_closed_takes_nothing_from_another(drive: Any) -> None:
    """aclose() of one loop leaves the stream to the other."""
    source = Gated()
    stream = drive.of(source.chunks())
    seen: list[str] = []

    async def read() -> None:
        seen.append(await read_all(stream))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            loop = aiter(stream)
            await anext(loop)
            tasks.start_soon(read)
            await source.waiting.wait()
            await loop.aclose()
            source.go_on.set()
    assert (seen, stream.status) == (["ab"], "complete")


@on_event_loops
async def test_a_reader_beside_one_that_is_cancelled_in_a_follow_up_gets_an_error(drive: Any) -> None:
    """The stream itself is complete, but its loop lacks the rest of the follow-up."""
    source = Gated()
    stream = drive.stream("0")
    stream.add_callback(lambda message: drive.of(source.chunks()))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(by_scope, stream, source)
            await source.waiting.wait()
            with pytest.raises(ReadCancelledError):
                await read_all(stream)
    assert (stream.status, stream.get_combined_output().text) == ("complete", "0a")


@on_event_loops
async def test_every_loop_gets_the_error_of_a_follow_up(drive: Any) -> None:
    """A follow-up that breaks raises in the loop that reads it, in those beside it and in later ones."""
    stream = drive.stream("0")
    stream.add_callback(lambda message: drive.stream("a", OSError("broken")))
    raised: list[str] = []

    async def read() -> None:
        with pytest.raises(OSError, match="broken"):
            await read_all(stream)
        raised.append(stream.get_combined_output().text)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(read)
    await read()
    assert raised == ["0a"] * 3


@on_event_loops
async def test_a_source_that_iterates_its_own_stream_is_refused(drive: Any) -> None:
    """It could only wait for itself."""
    streams: list[Any] = []

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("a")
        await read_all(streams[0])

    streams.append(drive.of(source()))
    with anyio.fail_after(10), pytest.raises(RuntimeError, match="iterates the stream that is calling it"):
        await read_all(streams[0])


def test_a_thread_beside_one_that_is_interrupted_gets_an_error() -> None:
    """What is no Exception ends the read of one loop, and is an error in the others."""
    waiting, go_on = threading.Event(), threading.Event()

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("a")
        waiting.set()
        assert go_on.wait(10)
        raise KeyboardInterrupt

    stream = StreamedChatMessageIterator(source())
    outcomes: list[type[BaseException]] = []

    def read() -> None:
        try:
            list(stream)
        except BaseException as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=read) for _ in range(2)]
    threads[0].start()
    assert waiting.wait(10)
    beside = iter(stream)
    assert next(beside).text == "a"
    go_on.set()
    threads[0].join(10)
    with pytest.raises(ReadCancelledError, match="KeyboardInterrupt"):
        next(beside)
    assert outcomes == [KeyboardInterrupt]


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("rounds", [1000, pytest.param(5_000, marks=pytest.mark.slow)])
def test_threads_that_leave_at_random(quick_switches: None, rounds: int) -> None:
    """Four threads loop over one stream, leave it, close it and read its output, which is what was handed over."""
    chance = random.Random(rounds)
    start = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        for number in range(rounds):
            items: list[ChatMessage | TextRun] = []
            whole = ""
            for _ in range(chance.randint(1, 8)):
                size = chance.choice([0, *range(1, 7)])
                letters = [chr(97 + (len(whole) + place) % 26) for place in range(size or 1)]
                items += [TextRun([ChatMessage(letter) for letter in letters])] if size else [ChatMessage(letters[0])]
                whole += "".join(letters)
            stream = StreamedChatMessageIterator(iter(items))
            limits = [chance.randint(0, len(whole) + 2) for _ in range(4)]
            closes = chance.random() < 0.3

            def read(limit: int, closes: bool, stream: Any = stream) -> str:
                got = ""
                start.wait(10)
                for chunk in stream:
                    got += chunk.text
                    assert stream.text.startswith(got)
                    if len(got) >= limit:
                        break
                if closes:
                    stream.close()
                return got

            jobs = [pool.submit(read, limit, closes and not place) for place, limit in enumerate(limits)]
            texts = [job.result(30) for job in jobs]
            output = stream.get_chat_output().text
            assert all(whole.startswith(text) for text in texts), number
            assert output == max(texts, key=len), number
            assert output == "".join(chunk.text for chunk in stream), number
            if not closes and stream.status == "complete":
                assert all(len(text) >= min(limit, len(whole)) for text, limit in zip(texts, limits, strict=True)), (
                    number
                )
