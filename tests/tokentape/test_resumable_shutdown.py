"""The end of a server: what it generates ends, readers receive an error, and providers' connections are closed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.tokentape.resumable_stacks import plain_stream, texts
from tests.tokentape.test_resumable_stacks import Source
from tokentape import AsyncStreamedChatMessageIterator, BufferUnavailableError, ChatMessage, ConfigurationError
from tokentape.web import ResumableResponses
from tokentape_fake_provider import ControlledClock


def read(responses: ResumableResponses) -> bytes:
    """All that a reader gets."""
    return b"".join(responses.open("a").frames())


def test_close_ends_what_runs() -> None:
    """Readers get an error event with an id, the provider is closed, and no response is started any more."""
    responses, source = ResumableResponses(heartbeat=None), Source()
    responses.start("a", source.stream)
    responses.start("done", plain_stream(texts(2)))
    reader = responses.open("a").frames()
    source.messages.put(ChatMessage("x"))
    received = next(reader)
    responses.close()
    received += b"".join(reader)
    assert source.closed.wait(10)
    last = received.split(b"\n\n")[-2]
    assert last.startswith(b"id: ")
    assert b"event: error" in last
    assert b"WorkerLostError" in last
    assert responses.status("a") == "failed"
    with pytest.raises(BufferUnavailableError, match="the server is stopping") as refused:
        responses.start("b", source.stream)
    assert refused.value.status == 503
    responses.close()
    assert read(responses) == received


def test_close_closes_an_async_provider() -> None:
    """Also one that is just being opened; `aclose` returns when all have ended."""

    async def main() -> None:
        responses, closed, opening = ResumableResponses(heartbeat=None), asyncio.Event(), asyncio.Event()

        async def stream() -> Any:
            try:
                yield ChatMessage("x")
                await asyncio.Event().wait()
            finally:
                closed.set()

        async def never() -> Any:
            opening.set()
            await asyncio.Event().wait()

        await responses.astart("a", lambda: AsyncStreamedChatMessageIterator(stream()))
        starting = asyncio.ensure_future(responses.astart("b", never))
        await opening.wait()
        frames = (await responses.aopen("a")).aframes()
        assert b"x" in await anext(frames)
        await responses.aclose()
        assert [responses.status(id) for id in ("a", "b")] == ["failed", "failed"]  # noqa: A001
        assert b"event: error" in b"".join([frame async for frame in frames])
        await closed.wait()
        assert await starting

    asyncio.run(main())


def test_grace_lets_responses_end() -> None:
    """For as many seconds of the clock they go on; what has not ended by then is ended."""
    clock = ControlledClock()
    responses, sources = ResumableResponses(heartbeat=None, clock=clock, grace=10), {id: Source() for id in "ab"}  # noqa: A001
    for id, source in sources.items():  # noqa: A001
        responses.start(id, source.stream)
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(responses.close)
        while True:
            try:
                responses.start("c", [])
            except BufferUnavailableError:
                break
        clock.advance(9.999)
        sources["a"].messages.put(ChatMessage("x"))
        sources["a"].messages.put(None)
        assert b"event: done" in read(responses)
        assert (responses.status("b"), closing.done()) == ("running", False)
        clock.advance(0.001)
        closing.result(10)
    assert (responses.status("a"), responses.status("b")) == ("complete", "failed")
    assert sources["b"].closed.wait(10)


@pytest.fixture
def handlers() -> Iterator[list[int]]:
    """The signals that a handler that was there before has received; it is there again afterwards."""
    received: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {
        number: signal.signal(number, lambda received_number, _: received.append(received_number)) for number in numbers
    }
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_ends_what_runs_before_the_server_waits(handlers: list[int]) -> None:
    """During the lifespan of an application SIGTERM closes, and reaches the server's own handler."""
    own = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        responses, source = ResumableResponses(heartbeat=None), Source()
        async with responses.lifespan(None):
            await responses.astart("a", source.stream)
            signal.raise_signal(signal.SIGTERM)
            assert handlers == [signal.SIGTERM]
            frames = (await responses.aopen("a")).aframes()
            assert b"event: error" in b"".join([frame async for frame in frames])
        assert signal.getsignal(signal.SIGTERM) is own
        with pytest.raises(BufferUnavailableError):
            await responses.astart("b", source.stream)

    asyncio.run(main())


def test_the_end_of_a_lifespan_ends_what_runs() -> None:
    """Without a signal, and in a thread, as tests run applications, one lifespan after another."""

    async def main() -> None:
        responses = ResumableResponses(heartbeat=None)
        for id in "ab":  # noqa: A001
            source = Source()
            async with responses.lifespan():
                await responses.astart(id, source.stream)
            assert await responses.astatus(id) == "failed"
            assert source.closed.wait(10)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(main())).result()


def test_wrong_uses_are_named() -> None:
    """Signals can't be handled in a thread, and a grace is not negative."""
    with ThreadPoolExecutor(1) as pool, pytest.raises(ConfigurationError, match="call it where the app is created"):
        pool.submit(ResumableResponses().close_on_signal).result()
    with pytest.raises(ConfigurationError, match="grace is -1"):
        ResumableResponses(grace=-1)
