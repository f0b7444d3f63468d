"""How long a stream may take, on the clock that a test controls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.tokentape.driver import Plain, both, on_event_loops
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ConfigurationError,
    RequestTimeoutError,
    StreamedChatMessageIterator,
    streaming_failed,
)
from tokentape.providers import OpenAIChat
from tokentape_fake_provider import ControlledClock
from tokentape_harness import FakeProvider

CASES = [
    ({"idle": 40}, 40, r"sent nothing for 40 s \(idle\)"),
    ({"total": 90, "idle": 100}, 90, r"after 90 s \(total\)"),
]


def expire(clock: ControlledClock, seconds: float) -> None:
    """Advance to the limit once somebody waits for it."""
    clock.wait_for_deadline()
    clock.advance(seconds)


@pytest.mark.parametrize(("limits", "seconds", "message"), CASES)
def test_a_silent_plain_stream_fails_when_its_time_is_up(
    limits: dict[str, float], seconds: float, message: str
) -> None:
    """The partial output stays, the event is sent, and the source is closed."""
    clock, silent, events = ControlledClock(), threading.Event(), []
    closed = threading.Event()

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("a")
        silent.wait(10)

    def close() -> None:
        silent.set()
        closed.set()

    stream = StreamedChatMessageIterator(source(), close=close).limit_time(**limits, clock=clock)
    with (
        streaming_failed.connected_to(lambda _, event: events.append(event), sender=stream),
        ThreadPoolExecutor(1) as pool,
    ):
        reading = pool.submit(list, stream)
        clock.wait_for_deadline()  # for the first message
        expire(clock, seconds)
        with pytest.raises(RequestTimeoutError, match=message) as failed:
            reading.result(10)
    assert closed.wait(10)
    assert (stream.status, stream.text, len(events)) == ("failed", "a", 1)
    assert failed.value.output is stream.get_chat_output()


@pytest.mark.parametrize(("limits", "seconds", "message"), CASES)
def test_a_silent_async_stream_fails_when_its_time_is_up(
    limits: dict[str, float], seconds: float, message: str
) -> None:
    """The same; the read that waits is cancelled."""
    clock, cancelled = ControlledClock(), []

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("a")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async def main() -> None:
        stream = AsyncStreamedChatMessageIterator(source()).limit_time(**limits, clock=clock)

        async def read() -> None:
            async for _ in stream:
                pass

        reading = asyncio.ensure_future(read())
        for _ in range(2):  # for the first message, and for the next
            await asyncio.to_thread(clock.wait_for_deadline)
        await clock.aadvance(seconds)
        with pytest.raises(RequestTimeoutError, match=message):
            await reading
        assert (stream.status, stream.text, cancelled) == ("failed", "a", [True])

    asyncio.run(main())


@both
async def test_a_stream_in_time_is_as_without_limits(drive: Plain) -> None:
    """Chunks, errors and the end pass."""
    source = drive.Source("a", "b")
    stream = drive.of(source).limit_time(idle=60, total=60)
    assert (await drive.text(stream), stream.status, source.closed) == ("ab", "complete", 1)
    broken = drive.stream("a", ValueError("broken")).limit_time(idle=60)
    with pytest.raises(ValueError, match="broken"):
        await drive.read(broken)
    assert broken.get_chat_output().text == "a"
    left = drive.stream("a", "b").limit_time(idle=60)
    assert await drive.text(left, 1) == "a"
    assert left.status == "cancelled"


@on_event_loops
async def test_the_machines_clock_ends_a_silent_read_on_every_event_loop(drive: Plain) -> None:
    """Without a clock of its own, under asyncio and trio."""

    async def source() -> AsyncIterator[ChatMessage]:
        import anyio

        yield ChatMessage("a")
        await anyio.sleep_forever()

    stream = drive.of(source()).limit_time(idle=0.01)
    with pytest.raises(RequestTimeoutError):
        await drive.read(stream)


@both
async def test_follow_ups_have_the_same_limits_unless_they_have_their_own(drive: Plain) -> None:
    """As filters and measurement."""
    plain, own = drive.stream("x"), drive.stream("y").limit_time(total=5)
    stream = drive.stream("a").limit_time(idle=60)
    for follow_up in (plain, own):
        stream.add_callback(drive.callback(lambda _, follow_up=follow_up: follow_up))
    assert await drive.text(stream) == "axy"
    assert (plain._limits.idle, own._limits.idle, own._limits.total) == (60, None, 5)


@both
async def test_limits_are_checked_at_once(drive: Plain) -> None:
    """None, one that is not positive, and one that comes too late."""
    for limits in ({}, {"idle": 0}, {"idle": 5, "total": -1}):
        with pytest.raises(ConfigurationError, match=r"limit_time\(\) needs idle or total"):
            drive.stream("a").limit_time(**limits)
    stream = drive.stream("a")
    await drive.read(stream)
    with pytest.raises(ConfigurationError, match="too late"):
        stream.limit_time(idle=1)


def test_a_clients_stream_that_stalls_fails(fake_provider: FakeProvider) -> None:
    """Over a real connection: the read in the other thread ends, and the server sees that the client left."""
    fake_provider.script("one two three", faults="stall@frame=3")
    client: Any = OpenAIChat("gpt-4o-mini", base_url=fake_provider.base_url("openai_chat"), api_key="x")
    stream = client.chat("Hi", stream=True).normalized.limit_time(idle=0.2)
    with pytest.raises(RequestTimeoutError):
        list(stream)
    (entry,) = fake_provider.journal.wait(lambda entries: all(entry.outcome != "pending" for entry in entries))
    assert entry.outcome == "client_left"
    client.close()
