"""Resumable responses: who starts and stops them, what happens when nobody reads, limits, expiry and errors."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import trio

from tests.tokentape.resumable_stacks import async_stream, plain_stream, texts
from tests.tokentape.test_resumable_stacks import Source, ids
from tokentape import (
    AsyncStreamedChatMessageIterator,
    BufferFullError,
    ChatMessage,
    ConfigurationError,
    EventsDroppedError,
    RateLimitError,
    ResponseNotFoundError,
    StreamedChatMessageIterator,
)
from tokentape.clock import MachineClock
from tokentape.providers import OpenAIChat
from tokentape.web import FrameEncoder, MemoryBuffer, ResumableResponses
from tokentape_fake_provider import ControlledClock
from tokentape_harness import FakeProvider

STOPPED = b'event: done\ndata: {"finish_reason":null,"usage":{},"stopped":true}\n\n'


def body(responses: ResumableResponses, id: str = "a", last: str | None = None) -> bytes:  # noqa: A002
    """All that a reader gets."""
    return b"".join(responses.open(id, last).frames())


def ended(responses: ResumableResponses, id: str = "a") -> None:  # noqa: A002
    """Wait until a response has ended."""
    body(responses, id)


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


def test_an_error_is_the_last_event() -> None:
    """It has a number, and is replayed like the rest; the provider's words stay here."""

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("x")
        raise RateLimitError("organization org-secret", status=429)

    responses = ResumableResponses()
    responses.start("a", StreamedChatMessageIterator(source()))
    received = body(responses)
    first, last = ids(received)
    assert b"id: %s\nevent: error\n" % last.encode() in received
    assert json.loads(received.split(b"data: ")[-1])["error"]["type"] == "RateLimitError"
    assert b"secret" not in received
    assert body(responses, "a", first) == received[received.index(b"id: " + last.encode()) :]
    assert responses.status("a") == "failed"


def test_a_stream_that_can_not_be_opened_raises() -> None:
    """The view answers with the error's status, and the next request may start the response."""

    def refuse() -> Any:
        raise RateLimitError("slow down", status=429)

    async def arefuse() -> Any:
        raise RateLimitError("slow down", status=429)

    responses = ResumableResponses()
    with pytest.raises(RateLimitError):
        responses.start("a", refuse)
    with pytest.raises(RateLimitError):
        asyncio.run(responses.astart("a", arefuse))
    assert responses.status("a") is None
    assert responses.start("a", plain_stream([]))


def test_wrong_arguments_are_named() -> None:
    """Each mistake is an error that names the remedy, and leaves no response behind."""
    responses = ResumableResponses()
    for make, text in (
        (lambda: ResumableResponses(when_unread="never"), "'finish', 'cancel', or a number of seconds"),  # type: ignore[arg-type]
        (lambda: ResumableResponses(when_unread=0), "more than 0"),
        (lambda: ResumableResponses(heartbeat=0), "heartbeat is 0; it must be a number of seconds, more than 0"),
        (lambda: ResumableResponses(heartbeat="15"), "heartbeat is '15'; it must be a number of seconds"),  # type: ignore[arg-type]
        (lambda: ResumableResponses(grace=None), "grace is None; it must be a number of seconds, 0 or more"),  # type: ignore[arg-type]
        (lambda: ResumableResponses(format="text"), "'sse' or 'ui-message-stream'"),  # type: ignore[arg-type]
        (lambda: MemoryBuffer(max_bytes=0), "max_bytes is 0; it must be a number of bytes"),
        (lambda: MemoryBuffer(max_age="900"), "max_age is '900'; it must be a number of seconds"),  # type: ignore[arg-type]
        (lambda: MemoryBuffer(max_age=timedelta(minutes=15)), "max_age is datetime.timedelta"),  # type: ignore[arg-type]
        (lambda: MemoryBuffer(when_full="wait"), "'drop' or 'fail'"),  # type: ignore[arg-type]
        (lambda: responses.start("", plain_stream([])), "1 to 512 characters"),
        (lambda: responses.start(5, plain_stream([])), "the id of a response is 5; it must be a text"),  # type: ignore[arg-type]
        (lambda: responses.stop(5), "the id of a response is 5; it must be a text"),  # type: ignore[arg-type]
        (lambda: responses.start("b", async_stream([])), r"with astart\(\)"),
        (lambda: responses.start("b", lambda: asyncio.sleep(0)), r"await astart"),
        (lambda: responses.start("b", asyncio.sleep(0)), r"await astart"),
        (lambda: responses.start("b", 7), "the stream is of the type int"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            make()
    assert responses.status("b") is None


@pytest.mark.parametrize("stream", [async_stream([]), asyncio.sleep, 7])
def test_a_stream_that_can_not_be_read_here_is_closed(stream: Any) -> None:
    """Nothing of it is left behind, no coroutine that nobody awaits either."""
    responses, closed = ResumableResponses(), []
    plain = StreamedChatMessageIterator((), close=lambda: closed.append("plain"))
    with pytest.raises(ConfigurationError):
        responses.start("a", lambda: stream(0) if callable(stream) else stream)
    with pytest.raises(ConfigurationError):
        responses.start("", plain)
    assert (closed, responses.status("a")) == (["plain"], None)


def test_a_format_that_fails_at_once() -> None:
    """The start raises its error, the stream is closed, and the id is free; readers receive an error meanwhile."""
    closed: list[bool] = []

    def fails(stream: Any) -> Any:
        raise LookupError(f"no format for {stream}")

    responses = ResumableResponses(format=fails)
    for _ in range(2):
        with pytest.raises(LookupError):
            responses.start("a", StreamedChatMessageIterator((), close=lambda: closed.append(True)))
    assert (closed, responses.status("a")) == ([True, True], None)
    with pytest.raises(TypeError, match="format needs a function"):
        ResumableResponses(format=None)  # type: ignore[arg-type]


def test_a_stream_that_fails_with_a_group() -> None:
    """A task group reports an error and a cancellation together; readers receive an error, and do not wait for ever."""

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("x")
        raise BaseExceptionGroup("both", [ValueError("broken"), asyncio.CancelledError()])

    async def main() -> bytes:
        responses = ResumableResponses()
        await responses.astart("a", source())
        async with asyncio.timeout(10):
            return b"".join([frame async for frame in (await responses.aopen("a")).aframes()])

    assert b"event: error" in asyncio.run(main())


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


def test_responses_expire() -> None:
    """A response is kept for `max_age` after its end, then forgotten at once, and who reads it reads on."""
    clock = ControlledClock()
    buffer = MemoryBuffer(max_age=60, clock=clock)
    responses = ResumableResponses(buffer=buffer, clock=clock)
    for id in "ab":  # noqa: A001
        responses.start(id, plain_stream(texts(3)))
        ended(responses, id)
        clock.advance(30)
    reader = responses.open("b").frames()
    assert responses.status("a") is None
    with pytest.raises(ResponseNotFoundError, match="no response 'a' is kept"):
        responses.open("a")
    size = buffer.size
    assert size > 0
    clock.advance(30)
    assert buffer.size == 0
    assert b"".join(reader).count(b"word") == 3


def test_a_running_response_does_not_expire() -> None:
    """Only the time after its end counts."""
    clock, source = ControlledClock(), Source()
    responses = ResumableResponses(buffer=MemoryBuffer(max_age=60, clock=clock), clock=clock)
    responses.start("a", source.stream)
    clock.advance(3_600)
    source.messages.put(None)
    assert b"event: done" in body(responses)


def test_a_full_response_drops_its_oldest_events() -> None:
    """A reader who has not read them gets an error instead of a gap; one who has reads on; so does who comes back."""
    buffer = MemoryBuffer(max_response_bytes=400)
    responses, source = ResumableResponses(buffer=buffer, heartbeat=None), Source()
    responses.start("a", source.stream)
    lagging, quick = responses.open("a").frames(), responses.open("a").frames()
    received = b""
    for message in texts(40):
        source.messages.put(message)
        received += next(quick)
    assert buffer.size <= 400
    gap = next(lagging)
    assert gap.startswith(b"event: error\n")
    assert json.loads(gap.split(b"data: ")[1])["error"]["type"] == "EventsDroppedError"
    assert list(lagging) == []
    with pytest.raises(EventsDroppedError, match="events 1 to"):
        responses.open("a")
    source.messages.put(None)
    last = ids(received)[-3]
    received += b"".join(quick)
    assert body(responses, "a", last) == received[received.index(b"id: " + last.encode()) :].partition(b"\n\n")[2]


def test_a_full_response_may_fail() -> None:
    """With `when_full="fail"` the provider is closed, and the last event says why."""
    closed = threading.Event()
    stream = StreamedChatMessageIterator(iter(texts(1_000)), close=closed.set)
    buffer = MemoryBuffer(max_response_bytes=400, when_full="fail")
    responses = ResumableResponses(buffer=buffer)
    responses.start("a", stream)
    received = body(responses)
    assert json.loads(received.split(b"data: ")[-1])["error"]["type"] == BufferFullError.__name__
    assert received.startswith(b"id: ")
    assert closed.wait(10)
    assert buffer.size < 700


def test_the_limit_of_all_responses() -> None:
    """The oldest response that has ended goes first; the running ones are bounded even alone."""
    buffer = MemoryBuffer(max_bytes=2_500)
    responses = ResumableResponses(buffer=buffer)
    for id in "abcdef":  # noqa: A001
        responses.start(id, plain_stream(texts(20)))
        ended(responses, id)
        assert buffer.size <= 2_500
    assert [responses.status(id) for id in "abcdef"] == [None] * 3 + ["complete"] * 3  # noqa: A001
    source = Source()
    responses.start("g", source.stream)
    for message in texts(500):
        source.messages.put(message)
    source.messages.put(None)
    assert source.closed.wait(10)
    assert buffer.size <= 2_500
    assert responses.status("f") is None


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


class Numbers:
    """A format of an app's own, for a stream of numbers."""

    def __init__(self, stream: object) -> None:
        self._count = 0

    def message(self, message: Any) -> list[bytes]:
        """Two events."""
        self._count += 1
        if message == 13:
            raise ValueError("thirteen")
        return [b"data: %d\n\n" % self._count, b"data: =%d\n\n" % message]

    def end(self) -> list[bytes]:
        """The end."""
        return [b"event: end\ndata: %d\n\n" % self._count]

    stopped = end

    def error(self, error: BaseException) -> list[bytes]:
        """The end of a stream that failed."""
        return [b"event: broken\ndata: %s\n\n" % type(error).__name__.encode()]

    def heartbeat(self) -> bytes:
        """A comment."""
        return b":\n\n"


def test_a_format_of_ones_own() -> None:
    """An encoder keeps state for its stream, and may send any number of events for an item of any kind."""
    encoder: FrameEncoder = Numbers(None)
    assert encoder.heartbeat()
    responses = ResumableResponses(format=Numbers)
    responses.start("a", [7, 8])
    lines = body(responses).decode().splitlines()
    assert [line for line in lines if line.startswith("data")] == [
        "data: 1",
        "data: =7",
        "data: 2",
        "data: =8",
        "data: 2",
    ]
    assert [line.partition("-")[2] for line in lines if line.startswith("id")] == ["1", "2", "3", "4", "5"]
    responses.start("b", [7, 13, 8])
    assert body(responses, "b").endswith(b"event: broken\ndata: ValueError\n\n")


def test_an_event_without_its_blank_line() -> None:
    """An encoder that would let two events run into one ends the response with an error."""

    class Open(Numbers):
        def message(self, message: Any) -> list[bytes]:
            return [b"data: 1\n"]

    responses = ResumableResponses(format=Open)
    responses.start("a", [7])
    assert body(responses).endswith(b"\nevent: broken\ndata: ConfigurationError\n\n")
    assert b"data: 1" not in body(responses)


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


def test_ui_message_stream() -> None:
    """The format that `useChat` reads, with its header."""
    responses = ResumableResponses(format="ui-message-stream")
    assert responses.headers["x-vercel-ai-ui-message-stream"] == "v1"
    responses.start("a", plain_stream(texts(2)))
    received = body(responses)
    assert received.endswith(b"data: [DONE]\n\n")
    assert len(ids(received)) == received.count(b"data: ")


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
