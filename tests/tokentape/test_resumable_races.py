"""Resumable responses when several things happen at once, and when a stream does what it should not."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.tokentape.resumable_stacks import STACKS, async_stream, plain_stream, texts
from tests.tokentape.test_resumable_stacks import Source, ids
from tokentape import BufferUnavailableError, ChatMessage, RateLimitError, ResponseNotFoundError
from tokentape.clock import MachineClock
from tokentape.web import MemoryBuffer, RedisBuffer, ResumableResponses
from tokentape.web.resumable.answers import refusal
from tokentape.web.resumable.io_thread import IOThread
from tokentape.web.resumable.log import EventLog
from tokentape.web.resumable.pump import Pump
from tokentape.web.resumable.reader import Reader
from tokentape_fake_provider import ControlledClock


def body(responses: ResumableResponses, id: str = "a") -> bytes:  # noqa: A002
    """All that a reader gets."""
    return b"".join(responses.open(id).frames())


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty_threads")
def test_an_id_that_is_started_by_several_threads_at_once() -> None:
    """One of them starts it, whatever the moment; the streams of the others are closed unread."""
    buffer = MemoryBuffer()
    rounds, threads = 150, 4
    barrier = threading.Barrier(threads)

    def create(_: int) -> list[bool]:
        created = []
        for number in range(rounds):
            barrier.wait()
            created.append(buffer.create(f"{number}").result() is not None)
        return created

    with ThreadPoolExecutor(threads) as pool:
        assert [sum(created) for created in zip(*pool.map(create, range(threads)), strict=True)] == [1] * rounds


@pytest.mark.usefixtures("hasty_threads")
def test_responses_that_replace_each_other_at_once() -> None:
    """All but the last are stopped, and none of their bytes counts any longer."""
    buffer = MemoryBuffer()
    responses = ResumableResponses(buffer=buffer)
    sources = [Source() for _ in range(24)]
    for source in sources:
        source.messages.put(ChatMessage("x" * 100))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda source: responses.start("a", source.stream, replace=True), sources))
    responses.stop("a")
    for source in sources:
        assert source.closed.wait(10)
    assert buffer.size == responses.open("a")._log.size


def test_a_start_that_fails_leaves_its_successor_alone() -> None:
    """A response that took the place of one whose stream can't be opened is kept."""
    responses = ResumableResponses()

    def refuse() -> Any:
        assert responses.start("a", plain_stream(texts(2)), replace=True)
        assert body(responses).count(b"word") == 2
        raise RateLimitError("slow down", status=429)

    with pytest.raises(RateLimitError):
        responses.start("a", refuse)
    assert body(responses).count(b"word") == 2
    assert responses.status("a") == "complete"


def test_stop_ends_the_opening_of_an_async_stream() -> None:
    """A provider that does not answer at all is left at once; the start itself is no error."""
    responses = ResumableResponses()

    async def main() -> None:
        opening, left = asyncio.Event(), asyncio.Event()

        async def open_stream() -> Any:
            opening.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

        start = asyncio.ensure_future(responses.astart("a", open_stream))
        await opening.wait()
        assert await responses.astop("a")
        assert await start
        assert left.is_set()
        assert await responses.astatus("a") == "stopped"
        assert not await responses.astop("a")
        assert not await responses.astart("a", async_stream(texts(1)))

    asyncio.run(main())
    assert body(responses).endswith(b'event: done\ndata: {"stopped":true}\n\n')


def test_a_response_that_nobody_ever_reads() -> None:
    """The seconds without a reader begin with the stream."""
    clock, source = ControlledClock(), Source()
    responses = ResumableResponses(when_unread=30, heartbeat=None, clock=clock)
    responses.start("a", source.stream)
    clock.advance(29)
    assert responses.status("a") == "running"
    clock.advance(1)
    assert responses.status("a") == "stopped"
    assert source.closed.wait(10)


def test_a_reader_that_comes_when_the_time_is_up() -> None:
    """Once it is there, the response is not stopped, even if the clock has begun its call."""
    calls: list[Callable[[], None]] = []

    class Clock(MachineClock):
        def call_at(self, deadline: float, callback: Callable[[], None]) -> Any:
            calls.append(callback)
            return super().call_at(deadline, callback)

    source = Source()
    responses = ResumableResponses(when_unread=3_600, heartbeat=None, clock=Clock())
    responses.start("a", source.stream)
    reader = responses.open("a")
    calls[-1]()
    assert responses.status("a") == "running"
    reader.close()
    calls[-1]()
    assert responses.status("a") == "stopped"


def test_responses_that_are_kept_for_ever() -> None:
    """A time without an end is a time like others, in memory and in Redis."""
    clock, fired = MachineClock(), threading.Event()
    clock.call_at(float("inf"), fired.set)
    responses = ResumableResponses(buffer=MemoryBuffer(max_age=float("inf"), clock=clock), when_unread=float("inf"))
    responses.start("a", plain_stream(texts(1)))
    assert b"event: done" in body(responses)
    clock.call_at(clock.now(), fired.set)
    assert fired.wait(10)
    assert RedisBuffer("redis://h", max_age=float("inf"))._settings.kept_ms == 1 << 50


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), SystemExit(1)])
def test_any_exception_of_a_stream_ends_its_response(error: BaseException) -> None:
    """Readers do not wait for ever, whatever a source raises (the Timeout of gevent is no Exception)."""

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("x")
        raise error

    responses = ResumableResponses(heartbeat=None)
    responses.start("a", source())
    assert b'"InternalError"' in body(responses)
    assert responses.status("a") == "failed"


@pytest.mark.parametrize("name", STACKS)
def test_head_requests(name: str) -> None:
    """They are answered at once without a body, and do not count as readers."""
    responses, source = ResumableResponses(when_unread="cancel", heartbeat=None), Source()
    stack = STACKS[name](responses)
    responses.start("a", source.stream)
    source.messages.put(ChatMessage("x"))
    answer = stack.get("a", method="HEAD")
    assert (answer.status, answer.rest()) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    for id, cursor, status in (("b", None, 404), ("a", "57", 400)):  # noqa: A001
        refused = stack.get(id, cursor, method="HEAD")
        assert (refused.status, refused.rest(), refused.headers["cache-control"]) == (status, b"", "no-store")
    assert responses.status("a") == "running"
    source.messages.put(None)
    last = ids(stack.get("a").rest())[-1]
    nothing_left = stack.get("a", last, method="HEAD")
    assert (nothing_left.status, nothing_left.rest()) == (204, b"")
    stack.close()


def test_an_error_that_comes_when_its_caller_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    """A reader that leaves while Redis answers 404 leaves no traceback in the log."""
    thread, running = IOThread("test"), threading.Event()

    async def fails() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # as the package redis, which ends what it has begun
            raise ResponseNotFoundError("none") from None

    future = thread.submit(fails())
    assert running.wait(10)
    assert future.cancel()
    thread.submit(asyncio.sleep(0)).result(10)
    thread.close()
    del future
    gc.collect()
    assert not caplog.records


def test_readers_do_not_see_where_redis_is() -> None:
    """The answer 503 names neither host nor command; nor does the buffer its password to who prints it."""
    answer = refusal(BufferUnavailableError("Redis at redis://10.1.2.3:6379 can't be reached (ConnectionError)"))
    assert answer.status == 503
    assert answer.body == (
        b'{"error":{"type":"BufferUnavailableError",'
        b'"message":"the response can\'t be read at the moment: come back later"}}'
    )
    assert "hunter2" not in repr(vars(RedisBuffer("redis://user:hunter2@10.1.2.3:6379/0")))


def test_readers_that_come_and_go_in_a_silence_leave_nothing() -> None:
    """While the provider sends nothing, a flood of readers who leave again takes no memory."""

    async def main() -> None:
        responses, source = ResumableResponses(heartbeat=None), Source()
        responses.start("a", source.stream)
        log = (await responses.aopen("a"))._log

        async def come_and_go() -> None:
            frames = (await responses.aopen("a")).aframes()
            reading = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await frames.aclose()

        for _ in range(100):
            await come_and_go()
        assert len(log._waiting) == 0
        assert log.readers == 0
        source.messages.put(None)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["frames", "aframes"])
def test_nothing_is_kept_beyond_its_age(kind: str) -> None:
    """After 200 responses, each with a reader, the buffer, the pumps and the readers are gone with their time."""
    clock = ControlledClock()
    buffer = MemoryBuffer(max_age=10, clock=clock)
    responses = ResumableResponses(buffer=buffer, heartbeat=None, clock=clock)
    before = _resumable_objects()

    async def main() -> None:
        for number in range(200):
            responses.start(f"{number}", plain_stream(texts(3)))
            reader = responses.open(f"{number}")
            if kind == "frames":
                assert len(list(reader.frames())) > 0
            else:
                assert [frame async for frame in reader.aframes()]
            await clock.aadvance(0.1)
            assert len(buffer._responses) <= 101
        await clock.aadvance(10)

    asyncio.run(main())
    assert (buffer.size, buffer._responses, buffer._ended, responses._running) == (0, {}, {}, set())
    assert _resumable_objects() < before + 10, "other than those whose threads are just ending"


def _resumable_objects() -> int:
    gc.collect()
    return sum(isinstance(found, (Pump, Reader, EventLog)) for found in gc.get_objects())
