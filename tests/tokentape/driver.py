"""Cases are written once, as coroutines, and run against the sync and the async iterator."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any

import anyio
import pytest

from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    PostStreamingResponseEvent,
    StreamedChatMessageIterator,
    StreamingFailedEvent,
    ToolCallDelta,
    astream_bytes,
    post_streaming_response,
    stream_bytes,
    streaming_failed,
)
from tokentape.stream.state import StreamState

Stream = StreamState[Any]
Item = str | ChatMessage | BaseException


def as_chunk(item: Item) -> ChatMessage:
    """A text stands for a chunk with that text; an exception is raised in its place."""
    if isinstance(item, BaseException):
        raise item
    return ChatMessage(item) if isinstance(item, str) else item


class Source:
    """A one-pass source of chunks that counts how often it is begun, read and closed."""

    def __init__(self, *items: Item) -> None:
        self.items = list(items)
        self.begun = self.reads = self.closed = 0

    def _next(self) -> ChatMessage:
        assert not self.closed, "read after it was closed"
        self.reads += 1
        if self.reads > len(self.items):
            raise StopIteration
        return as_chunk(self.items[self.reads - 1])


class SyncSource(Source):
    """For plain loops."""

    def __iter__(self) -> Iterator[ChatMessage]:
        self.begun += 1
        return self

    def __next__(self) -> ChatMessage:
        return self._next()

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


class AsyncSource(Source):
    """For async loops; lets other tasks run before each chunk."""

    def __aiter__(self) -> AsyncIterator[ChatMessage]:
        self.begun += 1
        return self

    async def __anext__(self) -> ChatMessage:
        await anyio.lowlevel.checkpoint()
        try:
            return self._next()
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Count the call, and hand over to other tasks meanwhile."""
        self.closed += 1
        await anyio.lowlevel.checkpoint()


class Plain:
    """Drives the sync iterator; its coroutines never wait."""

    name = "sync"
    is_async = False
    Source: type[Any] = SyncSource
    Iterator: type[Any] = StreamedChatMessageIterator

    def run(self, case: Coroutine[Any, Any, None]) -> None:
        """Run a case, which must not wait for anything."""
        with contextlib.suppress(StopIteration):
            case.send(None)
            raise AssertionError("a sync case waited")

    def stream(self, *items: Item, **options: Any) -> Any:
        """A stream of these items."""
        return self.of(self.Source(*items), **options)

    def of(self, source: Any, **options: Any) -> Any:
        """A stream of this source."""
        return self.Iterator(source, **options)

    def bytes(self, chunks: Iterable[bytes], wire: str = "openai_chat", **options: Any) -> Any:
        """A stream decoded from bytes."""
        return stream_bytes(chunks, wire, **options)

    async def loop(self, stream: Any) -> AsyncIterator[ChatMessage]:
        """The stream's own loop, for `async for`; leaving it leaves the stream's."""
        with contextlib.closing(iter(stream)) as chunks:
            for chunk in chunks:
                yield chunk

    async def read(self, stream: Any, limit: int | None = None) -> list[ChatMessage]:
        """Loop over a stream; leave the loop after `limit` chunks."""
        got: list[ChatMessage] = []
        if limit == 0:
            return got
        async with contextlib.aclosing(self.loop(stream)) as chunks:
            async for chunk in chunks:
                got.append(chunk)
                if len(got) == limit:
                    break
        return got

    async def text(self, stream: Any, limit: int | None = None) -> str:
        """The text of the chunks that a loop sees."""
        return "".join(chunk.text for chunk in await self.read(stream, limit))

    async def next(self, stream: Any) -> ChatMessage | None:
        """One chunk; None at the end."""
        return next(stream, None)

    async def close(self, stream: Any) -> None:
        """Close the stream."""
        stream.close()

    def callback(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A callback or listener in the manner of the loop: a coroutine function for async ones."""
        return function


class Async(Plain):
    """Drives the async iterator on an event loop."""

    is_async = True
    Source = AsyncSource
    Iterator = AsyncStreamedChatMessageIterator

    def __init__(self, backend: str) -> None:
        self.name = self.backend = backend

    def run(self, case: Coroutine[Any, Any, None]) -> None:
        """Run a case on the event loop."""

        async def main() -> None:
            await case

        anyio.run(main, backend=self.backend)

    def bytes(self, chunks: Iterable[bytes], wire: str = "openai_chat", **options: Any) -> Any:
        """A stream decoded from bytes."""

        async def source() -> AsyncIterator[bytes]:
            for chunk in chunks:
                await anyio.lowlevel.checkpoint()
                yield chunk

        return astream_bytes(source(), wire, **options)

    async def loop(self, stream: Any) -> AsyncIterator[ChatMessage]:
        """The stream's own loop."""
        async with contextlib.aclosing(aiter(stream)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def next(self, stream: Any) -> ChatMessage | None:
        """One chunk; None at the end."""
        return await anext(stream, None)

    async def close(self, stream: Any) -> None:
        """Close the stream."""
        await stream.aclose()

    def callback(self, function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """The function as a coroutine function that waits before it runs."""

        @functools.wraps(function)
        async def waited(*args: Any, **kwargs: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            return function(*args, **kwargs)

        return waited


SYNC, ASYNCIO, TRIO = Plain(), Async("asyncio"), Async("trio")
EVENT_LOOPS = [ASYNCIO, *([TRIO] if importlib.util.find_spec("trio") else [])]
DRIVERS = [SYNC, *EVENT_LOOPS]


def both(case: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a case against the sync and the async iterator: its parameter `drive` is the driver."""
    return pytest.mark.parametrize("drive", DRIVERS, ids=lambda drive: drive.name)(_driven(case))


def on_event_loops(case: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a case against the async iterator alone."""
    return pytest.mark.parametrize("drive", EVENT_LOOPS, ids=lambda drive: drive.name)(_driven(case))


def _driven(case: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(case)
    def test(drive: Plain, **arguments: Any) -> None:
        drive.run(case(drive=drive, **arguments))

    return test


class Events:
    """What both signals sent, in order."""

    def __init__(self) -> None:
        self.all: list[PostStreamingResponseEvent] = []
        self.senders: list[Any] = []

    def __call__(self, sender: Any, event: PostStreamingResponseEvent) -> None:
        self.all.append(event)
        self.senders.append(sender)

    @property
    def completed(self) -> list[PostStreamingResponseEvent]:
        """Events of streams that were received whole."""
        return [event for event in self.all if not isinstance(event, StreamingFailedEvent)]

    @property
    def failed(self) -> list[StreamingFailedEvent]:
        """Events of streams that broke."""
        return [event for event in self.all if isinstance(event, StreamingFailedEvent)]


@pytest.fixture
def events() -> Iterator[Events]:
    """Listens to both signals while a test runs."""
    events = Events()
    with post_streaming_response.connected_to(events), streaming_failed.connected_to(events):
        yield events


def fragment(*fields: Any, **named: Any) -> ChatMessage:
    """A chunk that carries one fragment of a tool call."""
    return ChatMessage(tool_call_deltas=(ToolCallDelta(*fields, **named),))


async def gather(*cases: Callable[[], Awaitable[None]]) -> None:
    """Run these at once, each as a task."""
    async with anyio.create_task_group() as tasks:
        for case in cases:
            tasks.start_soon(case)
