"""A clock that a test advances: deadlines are met exactly, in their order, and what they set off is done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.errors import StepError, StepTimeoutError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)


def tape(*times: float, data: bytes = b"x") -> Tape:
    """A tape with a frame at each of these times."""
    return Tape(tuple(Frame(at, data) for at in times), 200, SSE, start=times[0], end_at=times[-1])


@pytest.fixture
def paced(session: Session) -> Session:
    """A session of recorded timing with a clock of its own."""
    session.configure(timing=Recorded(), clock="controlled")
    return session


@pytest.fixture
def clock(paced: Session) -> ControlledClock:
    """That clock."""
    assert paced.clock is not None
    return paced.clock


@pytest.fixture
def url(server: FakeProviderServer, paced: Session) -> str:
    """Where its chat completions are."""
    return f"{server.base_url('openai_chat', paced.id)}/chat/completions"


def test_a_minute_passes_at_once(paced: Session, clock: ControlledClock, url: str, http: httpx2.Client) -> None:
    """A stream of 60 s plays in one advance, and each frame leaves at its own time."""
    times = [100.0 + 59.9 * number for number in range(1001)]
    paced.push(tape(*times))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(http.post, url, json=REQUEST)
        stream = paced.streams.next()
        clock.advance(60)
        assert stream.over
        assert asking.result().content == b"x" * 1001
    assert [frame.left for frame in stream.entry.frames] == times
    assert (stream.entry.started, stream.entry.ended) == (100.0, 60_000.0)
    assert clock.now() == 60_000.0


def test_advancing_waits_until_all_is_sent(
    paced: Session, clock: ControlledClock, url: str, http: httpx2.Client
) -> None:
    """After `advance` what was due has left and nothing else: no test needs to wait for it."""
    for _ in range(20):
        paced.push(tape(*range(10, 200, 10)))
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(http.post, url, json=REQUEST)
            stream = paced.streams.next()
            for sent in range(1, 19):
                clock.advance(ms=9.999)
                assert stream.sent == sent - 1
                clock.advance(ms=0.001)
                assert stream.sent == sent
            assert clock.next_deadline is not None
            assert not stream.over
            clock.advance(ms=10)
            assert (stream.over, stream.entry.outcome) == (True, "complete")
            asking.result()


def test_streams_interleave_in_the_order_of_time(
    paced: Session, clock: ControlledClock, url: str, http: httpx2.Client
) -> None:
    """Frames of several streams leave in the order of their deadlines, whatever is advanced at once."""
    order: list[tuple[float, bytes]] = []
    paced.push(tape(10, 40, 41, 90, data=b"a"), tape(5, 45, 50, 70, 95, data=b"b"), tape(20, 80, data=b"c"))
    with ThreadPoolExecutor(3) as pool:
        asking, streams = [], []
        for _ in range(3):
            asking.append(pool.submit(http.post, url, json=REQUEST))
            streams.append(paced.streams.next())
        for _ in range(20):
            before = [stream.sent for stream in streams]
            deadline = clock.next_deadline
            if deadline is None:
                break
            clock.advance(ms=deadline - clock.now())
            assert clock.now() == deadline
            order += [
                (deadline, name)
                for name, stream, sent in zip((b"a", b"b", b"c"), streams, before, strict=True)
                if stream.sent > sent
            ]
        assert [future.result().content for future in asking] == [b"aaaa", b"bbbbb", b"cc"]
    assert order == sorted(order)
    assert [at for at, name in order if name == b"b"] == [5, 45, 50, 70, 95]


def test_two_streams_in_one_advance(paced: Session, clock: ControlledClock, url: str, http: httpx2.Client) -> None:
    """Two streams that began at different times are each exact, in one advance over both."""
    paced.push(tape(10, 1000, 30_000), tape(10, 1000, 30_000))
    with ThreadPoolExecutor(2) as pool:
        pool.submit(http.post, url, json=REQUEST)
        first = paced.streams.next()
        clock.advance(0.5)
        pool.submit(http.post, url, json=REQUEST)
        second = paced.streams.next()
        clock.advance(60)
        assert [frame.left for frame in first.entry.frames] == [10, 1000, 30_000]
        assert [frame.left for frame in second.entry.frames] == [10, 1000, 30_000]
        assert (first.over, second.over) == (True, True)


def test_a_jump_makes_late(paced: Session, clock: ControlledClock, url: str, http: httpx2.Client) -> None:
    """After a jump all that was due meanwhile leaves together, and late."""
    paced.push(tape(10, 20, 30, 100))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(http.post, url, json=REQUEST)
        stream = paced.streams.next()
        clock.advance(ms=10)
        clock.jump(ms=25)
        clock.advance()
        clock.advance(ms=65)
        assert asking.result().content == b"xxxx"
    assert [(frame.left, frame.lateness) for frame in stream.entry.frames] == [(10, 0), (35, 15), (35, 5), (100, 0)]


def test_fractions_of_a_second_add_up(clock: ControlledClock) -> None:
    """What rounding makes of a second's parts never falls short of a ms."""
    clock.advance(1.001)
    assert clock.now() == 1001
    for _ in range(10):
        clock.advance(0.1)
    assert clock.now() == 2001


@pytest.mark.parametrize("wrong", [-1.0, float("nan")])
def test_a_clock_does_not_go_back(clock: ControlledClock, wrong: float) -> None:
    """Time that is less than nothing is refused."""
    for move in (clock.advance, clock.jump):
        with pytest.raises(ValueError, match="a clock does not go back"):
            move(wrong)
    assert clock.now() == 0


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def ask(loop: asyncio.AbstractEventLoop, clock: ControlledClock, deadline: float, callback: Callable[[], None]) -> None:
    """Ask from within the loop to be called."""

    async def call_at() -> None:
        clock.call_at(deadline, callback)

    asyncio.run_coroutine_threadsafe(call_at(), loop).result()


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 1), st.integers(0, 20)), max_size=12),
    st.lists(st.integers(1, 40), max_size=4),
)
def test_several_event_loops_share_a_clock(calls: list[tuple[int, int, int]], moves: list[int]) -> None:
    """Calls in two event loops, and those that they ask for in turn, come in the order of time and on time."""
    clock = ControlledClock()
    called: list[tuple[float, int]] = []
    expected = []
    with running_loop() as first, running_loop() as second:
        loops = (first, second)
        for number, (deadline, which, again) in enumerate(calls):

            def note(number: int = number, again: int = again) -> None:
                called.append((clock.now(), number))
                if again:
                    clock.call_at(clock.now() + again, lambda: called.append((clock.now(), number)))

            ask(loops[which], clock, deadline, note)
            expected += [(float(deadline), number)] + ([(float(deadline + again), number)] if again else [])
        for move in moves:
            clock.advance(ms=move)
            now = clock.now()
            assert sorted(called) == sorted(call for call in expected if call[0] <= now)
        assert [at for at, _ in called] == sorted(at for at, _ in called)


def test_cancelled_calls_are_not_made() -> None:
    """A cancelled call is neither made nor waited for."""
    clock = ControlledClock()
    called = []

    async def run() -> None:
        cancelled = clock.call_at(10, lambda: called.append("cancelled"))
        clock.call_at(20, lambda: called.append("made"))
        cancelled.cancel()
        assert clock.next_deadline == 20
        await clock.aadvance(1)

    asyncio.run(run())
    assert called == ["made"]


def test_advancing_in_the_own_event_loop() -> None:
    """A coroutine awaits `aadvance`; `advance` would hang there and is refused."""
    clock = ControlledClock()
    called = []

    async def run() -> None:
        clock.call_at(10, lambda: called.append(clock.now()))
        with pytest.raises(StepError, match="await the method whose name begins with a"):
            clock.advance(1)
        await clock.aadvance(1)

    asyncio.run(run())
    assert called == [10]
    assert clock.now() == 1000


def test_an_event_loop_that_hangs() -> None:
    """What is due in an event loop that is blocked does not come: that is an error, not a hang."""
    clock = ControlledClock()
    blocked = threading.Event()
    with running_loop() as loop:
        ask(loop, clock, 10, lambda: None)
        loop.call_soon_threadsafe(blocked.wait)
        with pytest.raises(StepTimeoutError, match="what was due was not done within 0 s"):
            clock.advance(1, timeout=0)
        blocked.set()


def test_an_event_loop_that_is_gone() -> None:
    """Calls of a closed event loop are forgotten."""
    clock = ControlledClock()
    with running_loop() as loop:
        ask(loop, clock, 10, lambda: None)
    clock.advance(1)
    assert (clock.now(), clock.next_deadline) == (1000, None)


def test_an_error_in_a_call_is_reported() -> None:
    """What a call raises comes out of `advance`."""
    clock = ControlledClock()

    def fail() -> None:
        raise LookupError("so")

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, __: None)
        clock.call_at(10, fail)
        with pytest.raises(LookupError, match="so"):
            await clock.aadvance(1)

    asyncio.run(run())


def test_moving_on_by_itself() -> None:
    """An automatic clock goes from deadline to deadline while nothing else is left to do, and no further."""
    clock = ControlledClock()
    seen: list[Any] = []

    async def sleep_until(at: float, name: str) -> None:
        done = asyncio.get_running_loop().create_future()
        clock.call_at(at, lambda: done.set_result(None))
        await done
        seen.append((clock.now(), name))

    async def run() -> None:
        async def one() -> None:
            await sleep_until(10, "one")
            await sleep_until(3000, "one")

        async def two() -> None:
            for at in range(5, 40, 5):
                await sleep_until(at, "two")

        tasks = [asyncio.ensure_future(one()), asyncio.ensure_future(two())]
        for _ in range(50):
            await asyncio.sleep(0)
        assert seen == []
        clock.automatic = True
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert seen == [
        (5, "two"),
        (10, "one"),
        (10, "two"),
        (15, "two"),
        (20, "two"),
        (25, "two"),
        (30, "two"),
        (35, "two"),
        (3000, "one"),
    ]
    assert clock.now() == 3000


def test_deleting_a_session_lets_its_time_pass(server: FakeProviderServer, http: httpx2.Client) -> None:
    """Streams that wait for the clock of a session that ends play to their end, so that nobody hangs."""
    session = server.create_session(timing=Recorded(), clock="controlled")
    session.push(tape(10, 60_000))
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(http.post, url, json=REQUEST)
        stream = session.streams.next()
        server.delete_session(session.id)
        assert asking.result().content == b"xx"
    session.journal.wait()
    assert stream.entry.ended == 60_000
