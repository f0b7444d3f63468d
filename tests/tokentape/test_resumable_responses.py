"""Resumable responses: one generation and its readers, who leave, lag and come back, and its stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio

from tests.tokentape.resumable_bodies import STOPPED, body, ended
from tests.tokentape.resumable_stacks import async_stream, plain_stream, texts
from tests.tokentape.test_resumable_stacks import Source, ids
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ConfigurationError,
    EventsDroppedError,
    StreamedChatMessageIterator,
)
from tokentape.clock import MachineClock
from tokentape.providers import OpenAIChat
from tokentape.web import ResumableResponses
from tokentape_fake_provider import ControlledClock
from tokentape_harness import FakeProvider


def test_two_readers_share_one_generation() -> None:
    """Each gets each event as it comes; the second, who comes later, first what it missed."""
    responses, source = ResumableResponses(heartbeat=None), Source()
    assert responses.start("a", source.stream)
    assert not responses.start("a", source.stream)
    one = responses.open("a").frames()
    source.messages.put(ChatMessage("x"))
    first = next(one)
    two = responses.open("a").frames()
    assert next(two) == first
    source.messages.put(ChatMessage("y"))
    assert next(one) == next(two) != first
    source.messages.put(None)
    assert list(one) == list(two)
    assert source.opened == 1


def test_a_reader_that_lags_holds_nothing_back() -> None:
    """A reader that takes nothing for long neither slows the provider nor the other reader, and misses nothing."""
    responses = ResumableResponses(heartbeat=None)
    slow = responses.open("a") if responses.start("a", plain_stream(texts(3_000))) else None
    assert slow is not None
    whole = body(responses)
    assert b"".join(slow.frames()) == whole
    assert len(ids(whole)) == 3_001


@pytest.mark.parametrize("open_stream", [plain_stream, async_stream])
def test_both_kinds_of_streams(open_stream: Callable[[Any], Any]) -> None:
    """A plain stream is read in a thread and an async one in a task; the events are the same."""

    async def main() -> bytes:
        responses = ResumableResponses()
        assert await responses.astart("a", lambda: open_stream(texts(3)))
        assert not await responses.astart("a", open_stream(texts(9)))
        return b"".join([frame async for frame in (await responses.aopen("a")).aframes()])

    received = asyncio.run(main())
    assert received.count(b"data: ") == 4
    assert b"id: %s\nevent: done\n" % ids(received)[-1].encode() in received


def test_a_stream_that_is_not_needed_is_closed() -> None:
    """The response exists already: the connection that was opened for nothing is closed."""
    responses = ResumableResponses()
    responses.start("a", plain_stream([]))
    closed: list[str] = []
    assert not responses.start("a", StreamedChatMessageIterator(iter(()), close=lambda: closed.append("plain")))

    async def main() -> None:
        async def close() -> None:
            closed.append("async")

        assert not await responses.astart("a", AsyncStreamedChatMessageIterator((), close=close))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert closed == ["plain", "async"]


def test_when_unread_cancel() -> None:
    """The provider is closed when the last reader leaves, not when one of two does; who comes back reads the end."""
    responses, source = ResumableResponses(when_unread="cancel"), Source()
    responses.start("a", source.stream)
    one, two = responses.open("a"), responses.open("a")
    source.messages.put(ChatMessage("x"))
    frames = one.frames()
    last = ids(next(frames))[-1]
    frames.close()
    assert (source.closed.is_set(), responses.status("a")) == (False, "running")
    two.close()
    assert (source.closed.wait(10), responses.status("a")) == (True, "stopped")
    assert body(responses, "a", last).endswith(STOPPED)


def test_when_unread_finish() -> None:
    """The provider is read to its end, and the answer waits for whoever comes back."""
    responses, source = ResumableResponses(), Source()
    responses.start("a", source.stream)
    responses.open("a").close()
    for message in texts(3):
        source.messages.put(message)
    source.messages.put(None)
    assert body(responses).count(b"word") == 3
    assert responses.status("a") == "complete"


def test_when_unread_for_a_while() -> None:
    """The provider is closed after the seconds without a reader; a reader who comes back in time starts them anew."""
    clock, source = ControlledClock(), Source()
    responses = ResumableResponses(when_unread=30, clock=clock)
    responses.start("a", source.stream)
    responses.open("a").close()
    clock.advance(29.9)
    reader = responses.open("a")
    clock.advance(60)
    assert not source.closed.is_set()
    reader.close()
    clock.advance(29.9)
    assert responses.status("a") == "running"
    clock.advance(0.1)
    assert (source.closed.wait(10), responses.status("a")) == (True, "stopped")


def test_a_reader_that_is_forgotten_has_left() -> None:
    """A response object that a middleware drops does not keep the generation alive."""
    responses, source = ResumableResponses(when_unread="cancel"), Source()
    responses.start("a", source.stream)
    responses.open("a")
    assert source.closed.wait(10)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_stop_reaches_the_provider_at_once(fake_provider: FakeProvider, kind: str) -> None:
    """The stop button closes the connection while the provider is silent; readers get the end of what there is."""
    fake_provider.timing("stepped")
    fake_provider.script("One ", "two ", "three")

    async def main() -> bytes:
        responses = ResumableResponses()
        with OpenAIChat("m", api_key="k", base_url=fake_provider.base_url("openai_chat")) as provider:
            chat = provider.achat if kind == "async" else provider.chat
            opening = asyncio.ensure_future(responses.astart("a", lambda: chat("Hi", stream=True)))
            stream = await asyncio.to_thread(fake_provider.next_stream)
            await asyncio.to_thread(stream.step_until, "One")
            await opening
            reader = (await responses.aopen("a")).aframes()
            received = await anext(reader)
            assert await responses.astop("a")
            received += b"".join([frame async for frame in reader])
            assert not await responses.astop("a")
            entries = await asyncio.to_thread(fake_provider.journal.wait)
            assert [entry.outcome for entry in entries] == ["client_left"]
            assert await responses.astatus("a") == "stopped"
        return received

    received = asyncio.run(main())
    assert b'{"text":"One"}' in received
    assert b"two" not in received
    assert received.endswith(b'event: done\ndata: {"finish_reason":null,"usage":{},"stopped":true}\n\n')


def test_stop_while_the_stream_is_being_opened() -> None:
    """The stream is closed as soon as it is there, and never read."""
    responses, source = ResumableResponses(), Source()

    def open_stream() -> Any:
        assert responses.stop("a")
        return source.stream()

    assert responses.start("a", open_stream)
    assert responses.status("a") == "stopped"
    assert body(responses).endswith(b'event: done\ndata: {"stopped":true}\n\n')
    assert source.closed.wait(10)


def test_replace() -> None:
    """A response may take the place of the one before it, which is stopped; the old cursor is an error."""
    responses, source = ResumableResponses(), Source()
    responses.start("a", source.stream)
    source.messages.put(ChatMessage("old"))
    reader = responses.open("a").frames()
    last = ids(next(reader))[-1]
    assert responses.start("a", plain_stream([ChatMessage("new")]), replace=True)
    assert source.closed.wait(10)
    assert b"".join(reader).endswith(STOPPED)
    assert b"new" in body(responses)
    with pytest.raises(EventsDroppedError, match="an earlier response with this id"):
        responses.open("a", last)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_heartbeats(kind: str) -> None:
    """A comment keeps idle proxies from closing the connection; it has no number."""
    clock, source = ControlledClock(), Source()
    responses = ResumableResponses(clock=clock)
    responses.start("a", source.stream)

    async def main() -> None:
        frames = (await responses.aopen("a")).aframes()
        reading = asyncio.ensure_future(anext(frames))
        await asyncio.to_thread(clock.wait_for_deadline)
        await clock.aadvance(15)
        assert await reading == b": heartbeat\n\n"
        await frames.aclose()

    if kind == "async":
        asyncio.run(main())
    else:
        frames = responses.open("a").frames()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(next, frames)
            clock.wait_for_deadline()
            clock.advance(15)
            assert reading.result(10) == b": heartbeat\n\n"
        frames.close()
    source.messages.put(None)
    ended(responses)


def test_a_server_that_stops_ends_the_response() -> None:
    """Its event loop cancels the pump: the provider is closed, and the response has an end."""
    closed: list[bool] = []
    responses = ResumableResponses()

    async def source() -> AsyncIterator[ChatMessage]:
        try:
            yield ChatMessage("x")
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def main() -> None:
        await responses.astart("a", AsyncStreamedChatMessageIterator(source()))
        await anext((await responses.aopen("a")).aframes())

    asyncio.run(main())
    assert closed == [True]
    assert b"event: error" in body(responses)


def test_a_start_that_is_cancelled() -> None:
    """A request that is cancelled while the provider answers leaves no response that runs for ever."""
    responses = ResumableResponses()

    async def main() -> None:
        opening = asyncio.Event()

        async def open_stream() -> Any:
            opening.set()
            await asyncio.Event().wait()

        start = asyncio.ensure_future(responses.astart("a", open_stream))
        await opening.wait()
        reader = await responses.aopen("a")
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert b"event: error" in b"".join([frame async for frame in reader.aframes()])
        assert await responses.astatus("a") is None
        assert await responses.astart("a", async_stream(texts(1)))
        for turns in range(4):  # cancelled at any point, the response is started or there is none
            start = asyncio.ensure_future(responses.astart(f"{turns}", async_stream(texts(1))))
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            if await responses.astatus(f"{turns}") is not None:
                frames = (await responses.aopen(f"{turns}")).aframes()
                assert b"event: done" in b"".join([frame async for frame in frames])

    asyncio.run(main())


def test_an_event_loop_that_is_not_asyncio() -> None:
    """The error names the remedy."""
    with pytest.raises(ConfigurationError, match="need asyncio"):
        trio.run(ResumableResponses().astatus, "a")


def test_the_machine_clock() -> None:
    """Calls come in the order of their deadlines; one that is cancelled does not come; its thread ends."""
    clock, called, last = MachineClock(), [], threading.Event()
    now = clock.now()
    clock.call_at(now + 20, last.set)
    clock.call_at(now + 10, lambda: called.append(2))
    clock.call_at(now + 5, lambda: called.append(0)).cancel()
    clock.call_at(now, lambda: called.append(1))
    assert last.wait(10)
    assert called == [1, 2]


def test_readers_of_a_provider(fake_provider: FakeProvider) -> None:
    """Three readers, one of whom comes back twice: the provider received one request."""
    fake_provider.script("The sea")
    responses = ResumableResponses()
    with OpenAIChat("m", api_key="k", base_url=fake_provider.base_url("openai_chat")) as provider:
        for _ in range(3):
            responses.start("a", lambda: provider.chat("Hi", stream=True))
            assert b'"text":" sea"' in body(responses)
    assert len(fake_provider.requests) == 1
