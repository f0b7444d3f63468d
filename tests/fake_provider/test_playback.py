"""Playback over a real socket, on a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.script.model import Script, Text
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import End, Frame, Tape
from tokentape_fake_provider.timing import Recorded, Synthetic
from tokentape_fake_provider.timing.clock import ControlledClock, MonotonicClock

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)


def delta(text: str) -> bytes:
    """An event that says this."""
    return b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text.encode()


def tape(*times: float, start: float = 0.0, end: End = "complete", end_at: float | None = None) -> Tape:
    """A tape of one event at each of these times."""
    return Tape(tuple(Frame(at, delta(str(n))) for n, at in enumerate(times)), 200, SSE, start, end, end_at)


@pytest.fixture
def clock() -> ControlledClock:
    """A clock that stands still."""
    return ControlledClock()


@pytest.fixture
def paced(clock: ControlledClock) -> Iterator[FakeProviderServer]:
    """A server on that clock, with recorded timing."""
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        yield server


@pytest.fixture
def automatic() -> Iterator[FakeProviderServer]:
    """A server whose clock jumps to each deadline, with recorded timing."""
    with FakeProviderServer(clock=ControlledClock(automatic=True)) as server:
        server.default.configure(timing=Recorded())
        yield server


def post(server: FakeProviderServer, client: httpx2.Client) -> bytes:
    """The whole body of an answer."""
    return client.post(f"{server.url}/v1/chat/completions", json=REQUEST).content


def test_each_frame_waits_for_its_own_deadline(
    paced: FakeProviderServer, clock: ControlledClock, http: httpx2.Client
) -> None:
    """Nothing leaves before it is due; what is due leaves together; lateness is kept and not carried on."""
    paced.default.push(tape(20, 50, 60, 100, start=10, end_at=120))
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(
            http.send, http.build_request("POST", f"{paced.url}/v1/chat/completions", json=REQUEST), stream=True
        )
        assert clock.wait_for_deadline() == 10
        assert not sending.done()
        clock.jump(ms=10)
        with closing(sending.result()) as response:
            chunks = response.iter_raw()
            assert clock.wait_for_deadline() == 20
            entry = paced.default.journal.entries[0]
            assert (entry.started, entry.frames_sent) == (10, 0)
            clock.jump(ms=13)
            assert next(chunks) == delta("0")
            assert clock.wait_for_deadline() == 50
            clock.jump(ms=40)
            assert next(chunks) == delta("1") + delta("2")
            assert clock.wait_for_deadline() == 100
            clock.jump(ms=37)
            assert next(chunks) == delta("3")
            assert clock.wait_for_deadline() == 120
            assert paced.default.journal.entries[0].outcome == "pending"
            clock.jump(ms=20)
            assert list(chunks) == []
    paced.default.journal.wait()
    assert [(frame.at, frame.left, frame.lateness) for frame in entry.frames] == [
        (20, 23, 3),
        (50, 63, 13),
        (60, 63, 3),
        (100, 100, 0),
    ]
    assert (entry.outcome, entry.ended) == ("complete", 120)


def test_recorded_times_are_played_at_a_speed(automatic: FakeProviderServer, http: httpx2.Client) -> None:
    """Recorded timing is that of the tape, divided by the speed."""
    automatic.default.configure(timing=Recorded(speed=2))
    automatic.default.push(tape(100, 200, 700, start=40, end_at=800))
    assert post(automatic, http) == delta("0") + delta("1") + delta("2")
    (entry,) = automatic.default.journal.wait()
    assert entry.started == 20
    assert [frame.left for frame in entry.frames] == [50, 100, 350]
    assert entry.ended == 400


def test_synthetic_times(automatic: FakeProviderServer, http: httpx2.Client) -> None:
    """Synthetic timing has its time to first token, its rate and no drift over a thousand tokens."""
    automatic.default.configure(timing=Synthetic(ttft_ms=300, tps=50))
    automatic.default.push(Script.of(Text("x" * 1000, pieces=("x",) * 1000)))
    post(automatic, http)
    (entry,) = automatic.default.journal.wait()
    times = sorted({frame.at for frame in entry.frames})
    assert (times[0], times[-1], len(times)) == (300, 300 + 999 * 20, 1000)
    assert {round(later - sooner, 6) for sooner, later in pairwise(times)} == {20}
    assert max(abs(frame.lateness) for frame in entry.frames) < 1e-6


def test_instant_response_ignores_all_times(clock: ControlledClock, http: httpx2.Client) -> None:
    """Instant replay does not wait for anything, and still counts the frames."""
    with FakeProviderServer(clock=clock) as server:
        server.default.push(tape(100, 200, start=50, end_at=300))
        assert post(server, http) == delta("0") + delta("1")
        (entry,) = server.default.journal.wait()
    assert [(frame.at, frame.left, frame.size) for frame in entry.frames] == [(0, 0, 57), (0, 0, 57)]
    assert entry.bytes_sent == 114


def test_unstreamed_answer_comes_when_a_stream_would_have_ended(
    automatic: FakeProviderServer, http: httpx2.Client
) -> None:
    """Without streaming the whole answer takes as long as its tokens."""
    automatic.default.configure(timing=Synthetic(ttft_ms=100, tps=10))
    automatic.default.push(Script.of(Text("abc", pieces=("a", "b", "c"))))
    http.post(f"{automatic.url}/v1/chat/completions", json={**REQUEST, "stream": False})
    (entry,) = automatic.default.journal.wait()
    assert [frame.left for frame in entry.frames] == [300]


def leave_after_two_frames(paced: FakeProviderServer, clock: ControlledClock, *, next_deadline: float) -> Entry:
    """The journal entry of an SDK that closes after two frames, while the next deadline is this one."""
    with openai.OpenAI(base_url=paced.base_url("openai_chat"), api_key="k") as client:
        chunks = client.chat.completions.create(**REQUEST)
        assert next(chunks).choices[0].delta.content == "0"
        assert clock.wait_for_deadline() == 10
        clock.jump(ms=10)
        assert next(chunks).choices[0].delta.content == "1"
        assert clock.wait_for_deadline() == next_deadline
        chunks.close()
        (entry,) = paced.default.journal.wait()
    return entry


def test_client_that_leaves_is_noted(paced: FakeProviderServer, clock: ControlledClock) -> None:
    """When the client closes in mid-stream the journal says so, and after which frame."""
    paced.default.push(tape(0, 10, 20, 1_000_000))
    entry = leave_after_two_frames(paced, clock, next_deadline=20)
    assert (entry.outcome, entry.client_left, entry.frames_sent, entry.ended) == ("client_left", True, 2, 10)


@pytest.mark.parametrize(("end", "outcome"), [("complete", "complete"), ("dropped", "client_left")])
def test_client_that_leaves_at_the_terminal_event_has_all(
    paced: FakeProviderServer, clock: ControlledClock, end: End, outcome: str
) -> None:
    """An SDK leaves at the terminal event, and does not wait for the recorded end: it has received all there is."""
    paced.default.push(tape(0, 10, end=end, end_at=1_000_000))
    entry = leave_after_two_frames(paced, clock, next_deadline=1_000_000)
    assert (entry.outcome, entry.frames_sent, entry.ended) == (outcome, 2, 10)


def test_client_that_leaves_before_the_first_byte_is_noted(paced: FakeProviderServer, clock: ControlledClock) -> None:
    """A client that gives up while it waits for the headers has left, too."""
    paced.default.push(tape(0, start=1_000_000))

    async def give_up() -> None:
        async with httpx2.AsyncClient() as client:
            asking = asyncio.ensure_future(client.post(f"{paced.url}/v1/chat/completions", json=REQUEST))
            await asyncio.to_thread(clock.wait_for_deadline)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(give_up())
    (entry,) = paced.default.journal.wait()
    assert (entry.outcome, entry.frames_sent, entry.started) == ("client_left", 0, None)


def test_client_that_leaves_an_instant_response_is_noted(http: httpx2.Client) -> None:
    """Even an instant response that is larger than the socket's buffers knows whether it was read."""
    with FakeProviderServer() as server:
        server.default.push(Tape((Frame(0, b"x" * 50_000_000),), 200, SSE))
        with http.stream("POST", f"{server.url}/v1/chat/completions", json=REQUEST) as response:
            next(response.iter_raw())
        (entry,) = server.default.journal.wait()
    assert entry.outcome == "client_left"


@pytest.mark.parametrize("end", ["dropped", "client_closed", "timeout", "open_at_exit"])
@pytest.mark.parametrize("instant", [True, False])
def test_tape_that_broke_off_breaks_off(end: End, instant: bool, http: httpx2.Client) -> None:
    """A tape without a complete end delivers its frames and then cuts the connection."""
    with FakeProviderServer(clock=ControlledClock(automatic=True)) as server:
        if not instant:
            server.default.configure(timing=Recorded())
        server.default.push(tape(1, 2, end=end, end_at=30))
        got: list[bytes] = []
        with (
            http.stream("POST", f"{server.url}/v1/chat/completions", json=REQUEST) as response,
            pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"),
        ):
            got.extend(response.iter_raw())
        (entry,) = server.default.journal.wait()
    assert b"".join(got) == delta("0") + delta("1")
    assert (entry.outcome, entry.ended) == ("dropped", 0 if instant else 30)


def test_sdks_see_a_broken_stream_as_their_own_error() -> None:
    """The official SDKs, sync and async, raise their connection error for a stream that breaks off."""
    event = b'event: ping\ndata: {"type": "ping"}\n\n'
    broken = Tape((Frame(0, event),), 200, SSE, end="dropped")
    messages: Any = [{"role": "user", "content": "x"}]
    with FakeProviderServer() as server:
        server.default.push(tape(0, end="dropped"), broken, tape(0, end="dropped"), broken)
        with openai.OpenAI(base_url=server.base_url("openai_chat"), api_key="k") as client:
            chunks = client.chat.completions.create(**REQUEST)
            with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
                list(chunks)
        with anthropic.Anthropic(base_url=server.base_url("anthropic_messages"), api_key="k") as claude:
            events = claude.messages.create(model="c", max_tokens=9, messages=messages, stream=True)
            with pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)):
                list(events)

        async def same() -> None:
            async with openai.AsyncOpenAI(base_url=server.base_url("openai_chat"), api_key="k") as client:
                chunks = await client.chat.completions.create(**REQUEST)
                with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
                    async for _ in chunks:
                        pass
            async with anthropic.AsyncAnthropic(base_url=server.base_url("anthropic_messages"), api_key="k") as claude:
                events = await claude.messages.create(model="c", max_tokens=9, messages=messages, stream=True)
                with pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)):
                    async for _ in events:
                        pass

        asyncio.run(same())
        assert [entry.outcome for entry in server.default.journal.wait()] == ["dropped"] * 4


def test_length_that_was_recorded_is_not_believed(http: httpx2.Client) -> None:
    """Headers of the recorded connection, and a length that the body no longer has, are not sent."""
    headers = (("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Connection", "close"), ("X-Kept", "é"))
    with FakeProviderServer() as server:
        server.default.push(Tape((Frame(0, b"12345"),), 200, headers))
        response = http.post(f"{server.url}/v1/chat/completions", json=REQUEST)
    assert response.content == b"12345"
    assert response.headers.get("x-kept") == "é"
    assert "connection" not in response.headers
    assert "content-length" not in response.headers


def test_deadlines_that_do_not_add_up_are_met(automatic: FakeProviderServer, http: httpx2.Client) -> None:
    """A deadline that rounding makes unreachable by subtraction is met all the same."""
    began = 1234567.1
    assert isinstance(automatic.clock, ControlledClock)
    automatic.clock.jump(ms=began)
    times = [at / 7 for at in range(1, 100) if (began + at / 7) - began < at / 7]
    assert times
    automatic.default.push(tape(*times))
    assert post(automatic, http) == b"".join(delta(str(number)) for number in range(len(times)))


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_many_paced_streams_at_once(automatic: FakeProviderServer, count: int) -> None:
    """Many concurrent streams are complete, each in its own order."""
    automatic.default.configure(timing=Synthetic(ttft_ms=5, tps=1000, jitter=0.5))
    text = " ".join(map(str, range(50)))
    automatic.default.push(*(f"{number}: {text}" for number in range(count)))

    async def one(client: httpx2.AsyncClient) -> bytes:
        return (await client.post(f"{automatic.url}/v1/chat/completions", json=REQUEST)).content

    async def everyone() -> list[bytes]:
        limits = httpx2.Limits(max_connections=count)
        async with httpx2.AsyncClient(limits=limits, timeout=60) as client:
            return await asyncio.gather(*(one(client) for _ in range(count)))

    bodies = asyncio.run(everyone())
    assert all(body.endswith(b"data: [DONE]\n\n") for body in bodies)
    contents = {"".join(_contents(body)) for body in bodies}
    assert contents == {f"{number}: {text}" for number in range(count)}
    assert [entry.outcome for entry in automatic.default.journal.wait()] == ["complete"] * count


def _contents(body: bytes) -> Iterator[str]:
    for event in body.split(b"\n\n"):
        if event.startswith(b"data: {"):
            for choice in msgspec.json.decode(event[6:])["choices"]:
                yield choice["delta"].get("content") or ""


def test_monotonic_clock_calls_in_order_and_never_early() -> None:
    """Calls come in the order of their deadlines and not before them."""
    clock = MonotonicClock()
    called: list[tuple[float, bool]] = []

    async def run() -> None:
        done = asyncio.get_running_loop().create_future()
        start = clock.now()
        for delay in (3.0, 1.0, 0.0, 2.0, 1.5):
            deadline = start + delay

            def note(delay: float = delay, deadline: float = deadline) -> None:
                called.append((delay, clock.now() >= deadline))
                if len(called) == 5:
                    done.set_result(None)

            clock.call_at(deadline, note)
        await done

    asyncio.run(run())
    assert called == [(0.0, True), (1.0, True), (1.5, True), (2.0, True), (3.0, True)]


def test_journal_keeps_no_more_than_it_may(session: Session, openai_client: openai.OpenAI) -> None:
    """A bounded journal forgets its oldest entries and counts them."""
    session.journal.limit = 2
    session.push("a", "b", "c")
    for content in "abc":
        openai_client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    entries = session.journal.wait()
    assert [entry.body["messages"][0]["content"] for entry in entries] == ["b", "c"]
    assert ([entry.number for entry in entries], session.journal.forgotten) == ([1, 2], 1)


def test_journal_holds_no_secrets(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """Keys in headers and in the query are masked."""
    http.post(
        f"{server.base_url('openai_chat', session.id)}/chat/completions?api-version=1&api-key=sk-1&key=sk-2",
        json=REQUEST,
        headers={"authorization": "Bearer sk-3", "x-api-key": "sk-4", "api-key": "sk-5", "cookie": "sk-6", "x-a": "b"},
    )
    (entry,) = session.journal.wait()
    shown = str(entry.to_builtins(frames=True))
    assert "sk-" not in shown
    assert entry.query == "api-version=1&api-key=(masked)&key=(masked)"
    assert ("x-a", "b") in entry.headers
    assert "sk-" not in repr(vars(entry))
