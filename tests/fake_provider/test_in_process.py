"""In-process transports: SDKs read real streams without a socket and without a thread."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest

from tokentape_fake_provider.errors import StepError, StreamOverError
from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_fake_provider.script.model import Error, Script, Text
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import End, Frame, Tape
from tokentape_fake_provider.timing import Recorded, Stepped, Synthetic
from tokentape_fake_provider.timing.clock import ControlledClock

PACKAGES = [httpx2, httpx]
MESSAGES: Any = [{"role": "user", "content": "x"}]
REQUEST: Any = {"model": "m", "stream": True, "messages": MESSAGES}
SSE = (("content-type", "text/event-stream"),)
WORDS = ("The", " sea", " is", " deep")
SPOKEN = Script.of(Text("".join(WORDS), pieces=WORDS))


@pytest.fixture
def provider() -> Iterator[InProcessProvider]:
    """A provider whose default session has a clock that moves on by itself, and synthetic timing."""
    with InProcessProvider() as provider:
        provider.default.configure(clock="automatic", timing=Synthetic(ttft_ms=300, tps=2))
        yield provider


@pytest.fixture
def session(provider: InProcessProvider) -> Session:
    """Its default session."""
    return provider.default


@pytest.fixture(params=PACKAGES, ids=lambda package: package.__name__)
def package(request: pytest.FixtureRequest) -> ModuleType:
    """httpx2 or httpx."""
    found: ModuleType = request.param
    return found


@pytest.fixture
def client(provider: InProcessProvider, package: ModuleType) -> Iterator[Any]:
    """A sync client of the package."""
    with package.Client(transport=provider.transport(package), base_url=provider.base_url("openai_chat")) as client:
        yield client


def tape(*pieces: bytes, end: End = "complete") -> Tape:
    """A tape of one frame each second."""
    frames = tuple(Frame(1000.0 * number, data) for number, data in enumerate(pieces, 1))
    return Tape(frames, 200, SSE, end=end, end_at=frames[-1].at if frames else 0)


def now(session: Session) -> float:
    """The session's time in ms."""
    assert session.clock is not None
    return session.clock.now()


def test_sync_sdks_read_token_by_token(provider: InProcessProvider, session: Session) -> None:
    """openai, anthropic (httpx2) and groq (httpx) read each token at its own virtual time, in one thread."""
    threads = threading.active_count()
    session.push(SPOKEN, SPOKEN, SPOKEN)
    seen: dict[str, list[tuple[float, str]]] = {}
    began = now(session)
    with openai.OpenAI(
        base_url=provider.base_url("openai_chat"),
        api_key="k",
        http_client=httpx2.Client(transport=provider.transport()),
    ) as client:
        chunks = client.chat.completions.create(**REQUEST)
        seen["openai"] = [(now(session) - began, text) for chunk in chunks if (text := chunk.choices[0].delta.content)]
    began = now(session)
    with anthropic.Anthropic(
        base_url=provider.base_url("anthropic_messages"),
        api_key="k",
        http_client=httpx2.Client(transport=provider.transport()),
    ) as claude:
        events = claude.messages.create(model="c", max_tokens=9, messages=MESSAGES, stream=True)
        seen["anthropic"] = [
            (now(session) - began, event.delta.text) for event in events if event.type == "content_block_delta"
        ]
    began = now(session)
    with groq.Groq(
        base_url=provider.url, api_key="k", http_client=httpx.Client(transport=provider.transport(httpx))
    ) as fast:
        chunks = fast.chat.completions.create(**REQUEST)
        seen["groq"] = [(now(session) - began, text) for chunk in chunks if (text := chunk.choices[0].delta.content)]
    expected = [(300.0 + 500.0 * number, word) for number, word in enumerate(WORDS)]
    assert seen == dict.fromkeys(seen, expected)
    assert threading.active_count() == threads
    assert [entry.outcome for entry in session.journal.entries] == ["complete"] * 3


def test_async_sdks_interleave_in_the_order_of_time() -> None:
    """Two async SDKs in one event loop, on httpx2 and httpx, get their tokens in the order of virtual time."""
    seen: list[tuple[float, str, str]] = []
    clock = ControlledClock(automatic=True)

    async def read(name: str, client: Any) -> None:
        async for chunk in await client.chat.completions.create(**REQUEST):
            if text := chunk.choices[0].delta.content:
                seen.append((clock.now(), name, text))

    async def run(provider: InProcessProvider) -> None:
        one = provider.create_session("one", timing=Synthetic(ttft_ms=310, tps=2))
        two = provider.create_session("two", timing=Synthetic(ttft_ms=100, tps=5))
        one.push(SPOKEN)
        two.push(SPOKEN)
        async with (
            openai.AsyncOpenAI(
                base_url=provider.base_url("openai_chat", "one"),
                api_key="k",
                http_client=httpx2.AsyncClient(transport=provider.async_transport()),
            ) as first,
            groq.AsyncGroq(
                base_url=f"{provider.url}/s/two",
                api_key="k",
                http_client=httpx.AsyncClient(transport=provider.async_transport(httpx)),
            ) as second,
        ):
            await asyncio.gather(first.models.list(), second.models.list())  # SDKs look at the machine in a thread
            await asyncio.gather(read("one", first), read("two", second))
        assert [session.journal.entries[-1].outcome for session in (one, two)] == ["complete", "complete"]

    with InProcessProvider(clock=clock) as provider:
        asyncio.run(run(provider))
    assert seen == [
        (100, "two", "The"),
        (300, "two", " sea"),
        (310, "one", "The"),
        (500, "two", " is"),
        (700, "two", " deep"),
        (810, "one", " sea"),
        (1310, "one", " is"),
        (1810, "one", " deep"),
    ]


def test_nothing_happens_between_two_reads(client: Any, session: Session) -> None:
    """Each part comes by itself when it is read, at its time; in between, time stands still."""
    session.configure(timing=Recorded())
    session.push(tape(b"a", b"b", b"c"))
    with client.stream("POST", "/chat/completions", json=REQUEST) as response:
        assert (now(session), response.http_version) == (0, "HTTP/1.1")
        chunks = response.iter_raw()
        read = [(next(chunks), now(session), session.journal.entries[0].frames_sent) for _ in range(3)]
        assert read == [(b"a", 1000, 1), (b"b", 2000, 2), (b"c", 3000, 3)]
        assert list(chunks) == []
        assert session.journal.entries[0].outcome == "complete"


def test_time_stands_still_while_the_client_works(
    provider: InProcessProvider, session: Session, package: ModuleType
) -> None:
    """Under async, too, an automatic clock moves on only while a client waits, however long its program works."""
    session.configure(timing=Recorded())
    session.push(tape(b"a", b"b"))

    async def run() -> list[tuple[bytes, float, float]]:
        read = []
        async with package.AsyncClient(transport=provider.async_transport(package)) as client:
            url = f"{provider.base_url('openai_chat')}/chat/completions"
            async with client.stream("POST", url, json=REQUEST) as response:
                async for data in response.aiter_raw():
                    at = now(session)
                    for _ in range(100):
                        await asyncio.sleep(0)
                    read.append((data, at, now(session)))
        return read

    assert asyncio.run(run()) == [(b"a", 1000, 1000), (b"b", 2000, 2000)]


def test_whole_bodies_errors_and_request_bodies(client: Any, session: Session) -> None:
    """What is not streamed arrives whole, with its status and headers; the request's body arrives too."""
    session.push("Hello", Script.of(error=Error(status=429, message="Slow down.", retry_after=2)))
    answer = client.post("/chat/completions", json={**REQUEST, "stream": False, "user": "ü"})
    assert answer.json()["choices"][0]["message"]["content"] == "Hello"
    assert session.journal.entries[0].body["user"] == "ü"
    answer = client.post("/chat/completions?x=%20y", json=REQUEST)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert (session.journal.entries[1].query, session.journal.entries[1].path) == ("x=%20y", "/v1/chat/completions")
    assert client.get("/models").json()["object"] == "list"


def test_a_client_that_closes_early(client: Any, session: Session) -> None:
    """The application knows that its client left as soon as the response is closed."""
    session.configure(timing=Recorded())
    session.push(tape(b"a", b"b", b"c"))
    with client.stream("POST", "/chat/completions", json=REQUEST) as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"a"
        assert session.journal.entries[0].outcome == "pending"
    (entry,) = session.journal.entries
    assert (entry.outcome, entry.frames_sent, entry.ended) == ("client_left", 1, 1000)
    assert session.clock is not None
    assert session.clock.next_deadline is None


def test_an_async_client_that_is_cancelled(provider: InProcessProvider, session: Session, package: ModuleType) -> None:
    """A task that is cancelled while it waits, for headers or for a part, has left."""
    session.configure(timing=Stepped(headers=True))

    async def run() -> None:
        url = f"{provider.base_url('openai_chat')}/chat/completions"
        async with package.AsyncClient(transport=provider.async_transport(package), timeout=None) as client:
            asking = asyncio.ensure_future(client.post(url, json=REQUEST))
            stream = await session.streams.anext()
            await stream.astep()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert (stream.over, stream.entry.outcome) == (True, "client_left")
            asking = asyncio.ensure_future(client.post(url, json=REQUEST))
            stream = await session.streams.anext()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert (stream.over, stream.entry.started) == (True, None)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("end", "error", "says"),
    [
        ("dropped", "RemoteProtocolError", "peer closed connection without sending complete message body"),
        ("reset", "ReadError", "Connection reset by peer"),
    ],
)
@pytest.mark.parametrize("pieces", [(b"a", b"b"), ()])
@pytest.mark.parametrize("instant", [True, False])
def test_a_cut_raises_the_clients_own_exception(
    end: End,
    error: str,
    says: str,
    pieces: tuple[bytes, ...],
    instant: bool,
    client: Any,
    package: ModuleType,
    session: Session,
) -> None:
    """A stream that breaks off gives all that was sent, and then what the client raises for a socket."""
    if not instant:
        session.configure(timing=Recorded())
    session.push(tape(*pieces, end=end))
    got = []
    with (
        client.stream("POST", "/chat/completions", json=REQUEST) as response,
        pytest.raises(getattr(package, error), match=says) as caught,
    ):
        got.extend(response.iter_raw())
    assert b"".join(got) == b"".join(pieces)
    assert caught.value.request.url.path == "/v1/chat/completions"
    assert session.journal.entries[0].outcome == end


def test_sdks_raise_their_own_error_for_a_cut(provider: InProcessProvider, session: Session) -> None:
    """What an SDK makes of a cut is what it makes of one on a socket."""
    session.push(tape(b"data: {}\n\n", end="dropped"))
    with openai.OpenAI(
        base_url=provider.base_url("openai_chat"),
        api_key="k",
        http_client=httpx2.Client(transport=provider.transport()),
    ) as client:
        chunks = client.chat.completions.create(**REQUEST)
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            list(chunks)


def test_a_read_timeout_is_virtual(provider: InProcessProvider, session: Session, package: ModuleType) -> None:
    """A held stream times out in the session's time: a timeout of ten minutes is tested at once."""
    session.configure(timing=Stepped())
    with package.Client(transport=provider.transport(package), timeout=600) as client:
        url = f"{provider.base_url('openai_chat')}/chat/completions"
        with client.stream("POST", url, json=REQUEST) as response:
            stream = session.streams.next()
            stream.step()
            chunks = response.iter_raw()
            next(chunks)
            with pytest.raises(package.ReadTimeout, match="timed out"):
                next(chunks)
        assert now(session) == 600_000
        assert stream.entry.outcome == "client_left"
        session.configure(timing=Recorded())
        session.push(Tape((Frame(599_999, b"x"),), 200, SSE))
        assert client.post(url, json=REQUEST).content == b"x"
        session.push(Tape((), 200, SSE, start=600_001))
        with pytest.raises(package.ReadTimeout):
            client.post(url, json=REQUEST)


def test_async_read_timeout_is_virtual(provider: InProcessProvider, session: Session, package: ModuleType) -> None:
    """The same under async, where the client's event loop is the provider's."""
    session.configure(timing=Stepped())

    async def run() -> None:
        async with package.AsyncClient(transport=provider.async_transport(package), timeout=600) as client:
            url = f"{provider.base_url('openai_chat')}/chat/completions"
            with pytest.raises(package.ReadTimeout):
                await client.post(url, json=REQUEST)

    asyncio.run(run())
    assert now(session) == 600_000


def test_stepping_in_process(client: Any, session: Session) -> None:
    """A stream is stepped in the thread that reads it."""
    session.configure(timing=Stepped(), clock="server")
    session.push(tape(b"a", b"b", b"c"))
    with client.stream("POST", "/chat/completions", json=REQUEST) as response:
        stream = session.streams.next()
        chunks = response.iter_raw()
        assert stream.step() == next(chunks) == b"a"
        assert stream.step(2) == next(chunks) == b"bc"
        stream.finish()
        assert stream.over
        assert list(chunks) == []
        with pytest.raises(StreamOverError):
            stream.step()


def test_a_reader_that_does_not_read_stops_the_writer(client: Any, session: Session) -> None:
    """The application waits for a client that leaves too much unread, so that memory is bounded."""
    session.configure(timing=Stepped())
    session.push(tape(*[b"x" * 10_000] * 100))
    with client.stream("POST", "/chat/completions", json=REQUEST) as response:
        stream = session.streams.next()
        stream.step(7)
        with pytest.raises(StepError, match=r"the client does not read \(7 of 100 frames sent\)"):
            stream.step(timeout=0.01)
        stream.release()
        assert len(response.read()) == 1_000_000


def test_threads_share_a_transport(provider: InProcessProvider, session: Session) -> None:
    """Threads that read at once take turns at driving, and each has its own stream whole."""
    session.configure(clock="server", timing=Synthetic(ttft_ms=1, tps=5000))
    session.push(*(f"{number}: " + "word " * 20 for number in range(8)))
    url = f"{provider.base_url('openai_chat')}/chat/completions"
    with httpx2.Client(transport=provider.transport()) as client, ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: client.post(url, json=REQUEST).content, range(8)))
    assert all(body.endswith(b"data: [DONE]\n\n") for body in bodies)
    assert len(set(bodies)) == 8
    assert all(body.count(b"word") == 20 for body in bodies)


def test_a_thread_steps_what_another_reads(client: Any, session: Session) -> None:
    """While one thread waits for a part, another may step the stream."""
    session.configure(timing=Stepped(), clock="server")
    session.push(tape(b"a", b"b"))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.post, "/chat/completions", json=REQUEST)
        stream = session.streams.next()
        assert stream.step() == b"a"
        assert not asking.done()
        stream.finish()
        assert asking.result().content == b"ab"


def test_a_sync_client_in_an_event_loop(provider: InProcessProvider) -> None:
    """A sync client can't wait inside a running event loop: it is advised to be async there."""

    async def run() -> None:
        with (
            httpx2.Client(transport=provider.transport()) as client,
            pytest.raises(StepError, match="use an async one there"),
        ):
            client.get(f"{provider.url}/v1/models")

    asyncio.run(run())


def test_without_the_transport_nobody_is_reached(provider: InProcessProvider) -> None:
    """The URL of an in-process provider leads nowhere else."""
    assert provider.url == "http://in-process.invalid"
    session = provider.create_session("a", strict=True)
    assert provider.base_url("openai_chat", "a") == "http://in-process.invalid/s/a/v1"
    assert provider.session("a") is session
    with httpx2.Client(transport=provider.transport()) as client:
        assert client.post(f"{provider.base_url('openai_chat', 'a')}/chat/completions", json=REQUEST).status_code == 409
        assert client.get(f"{provider.url}/health").json() == {"status": "ok"}


def test_closing_breaks_off_what_is_open() -> None:
    """A provider that is closed leaves nothing behind, and its open streams are over."""
    with InProcessProvider() as provider:
        provider.default.configure(timing=Stepped())
        client = httpx2.Client(transport=provider.transport())
        response = client.send(
            client.build_request("POST", f"{provider.base_url('openai_chat')}/chat/completions", json=REQUEST),
            stream=True,
        )
        stream = provider.default.streams.next()
    assert (stream.over, stream.entry.outcome) == (True, "server_stopped")
    with pytest.raises(StreamOverError):
        stream.step()
    response.close()
    client.close()
    del response, client
    gc.collect()
