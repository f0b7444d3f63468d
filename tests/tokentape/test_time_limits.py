"""How long a stream may take, on the clock that a test controls."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.tokentape.driver import Plain, both, on_event_loops
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ConfigurationError,
    RequestTimeoutError,
    StreamedChatMessageIterator,
    stream_bytes,
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


@on_event_loops
async def test_a_source_that_turns_its_cancellation_into_an_error(drive: Plain) -> None:
    """The reader receives the error of the limit, whose cause is the source's."""

    async def source() -> AsyncIterator[ChatMessage]:
        import anyio

        yield ChatMessage("a")
        try:
            await anyio.sleep_forever()
        except BaseException:
            raise OSError("connection lost") from None

    stream = drive.of(source()).limit_time(idle=0.01)
    with pytest.raises(RequestTimeoutError, match="sent nothing") as failed:
        await drive.read(stream)
    assert isinstance(failed.value.__cause__, OSError)
    assert stream.text == "a"


@both
async def test_limits_that_are_never_reached(drive: Plain) -> None:
    """Infinite ones, and ones longer than the machine can wait, limit nothing."""
    for seconds in (math.inf, 1e12):
        assert await drive.text(drive.stream("a", "b").limit_time(idle=seconds)) == "ab"


def test_whose_time_counts() -> None:
    """A slow reader's time counts for `total`, not for `idle`; a follow-up has a total of its own."""
    clock = ControlledClock()

    def source() -> Iterator[ChatMessage]:
        yield from map(ChatMessage, "abc")

    def read(stream: StreamedChatMessageIterator) -> str:
        text = ""
        for message in stream:
            clock.advance(30)
            text += message.text
        return text

    assert read(StreamedChatMessageIterator(source()).limit_time(idle=20, clock=clock)) == "abc"
    with pytest.raises(RequestTimeoutError, match=r"after 50 s \(total\)") as failed:
        read(StreamedChatMessageIterator(source()).limit_time(total=50, clock=clock))
    assert failed.value.output is not None
    assert failed.value.output.text == "ab"
    stream = StreamedChatMessageIterator(source()).limit_time(total=100, clock=clock)
    stream.add_callback(lambda _: StreamedChatMessageIterator(source()))
    assert read(stream) == "abcabc"


@pytest.mark.parametrize(
    ("wire", "ping"),
    [("openai_chat", b": ping\n\n"), ("anthropic_messages", b'event: ping\ndata: {"type":"ping"}\n\n')],
)
def test_pings_are_nothing(wire: str, ping: bytes) -> None:
    """A provider that sends only comments or pings has sent nothing for the idle limit."""
    clock, failed = ControlledClock(), threading.Event()

    def pings() -> Iterator[bytes]:
        clock.wait_for_deadline()
        clock.advance(30)
        yield ping
        clock.advance(30)
        failed.wait(10)

    stream = stream_bytes(pings(), wire).limit_time(idle=50, clock=clock)
    with pytest.raises(RequestTimeoutError, match="sent nothing for 50 s"):
        list(stream)
    failed.set()


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
    """None, one that is no positive number, and one that comes too late."""
    with pytest.raises(ConfigurationError, match=r"limit_time\(\) has no limit"):
        drive.stream("a").limit_time()
    for wrong in (0, -1, math.nan, "5", True, timedelta(seconds=5)):
        for name, limits in (("idle", {"idle": wrong}), ("total", {"idle": 5, "total": wrong})):
            with pytest.raises(ConfigurationError, match=rf"limit_time\(\): {name} is .* a number of seconds"):
                drive.stream("a").limit_time(**limits)  # type: ignore[arg-type]
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
