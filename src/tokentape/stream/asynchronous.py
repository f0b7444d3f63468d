"""The iterator of a stream for `async for` loops. It mirrors `sync` step by step."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from types import AsyncGeneratorType, TracebackType
from typing import Any

import anyio
import blinker

from tokentape.errors import ReentrantIterationError
from tokentape.message import ChatMessage
from tokentape.stream.accumulator import is_plain_text
from tokentape.stream.closing import call_close, close_iterator
from tokentape.stream.context import StreamContext
from tokentape.stream.filtering import afiltered, filtered
from tokentape.stream.observer import awatched, watched
from tokentape.stream.signals import (
    PostStreamingResponseEvent,
    completed_event,
    failed_event,
    post_streaming_response,
    streaming_failed,
)
from tokentape.stream.started_iterator import StartedIterator
from tokentape.stream.state import REENTRY, StreamState, follow_up_of, is_called_by, is_running
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.stream.time_limits import alimited, limited
from tokentape.text_run import TextRun

AsyncCallback = Callable[[ChatMessage], Any]


class AsyncStreamedChatMessageIterator(StreamState[AsyncCallback]):
    """Yields the chunks of a stream to `async for` as they arrive.

    It behaves like `StreamedChatMessageIterator`, with these differences. Callbacks and listeners may be coroutine
    functions, which are awaited. A callback may return an async or a plain stream. `source` may be an async or a plain
    iterable. To close the source at once on leaving a loop early, use `async with` or `aclose()`: after a bare `break`
    the event loop closes it a moment later.
    """

    def __init__(
        self,
        source: AsyncIterable[ChatMessage | TextRun] | Iterable[ChatMessage | TextRun],
        *,
        context: StreamContext | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
        raw_events: list[bytes] | None = None,
        on_callback_error: Callable[[Exception], None] | None = None,
    ) -> None:
        super().__init__(context=context, raw_events=raw_events, on_callback_error=on_callback_error, close=close)
        self._source: AsyncIterable[ChatMessage | TextRun] | Iterable[ChatMessage | TextRun] | None = source
        self._close = close
        self._waiting: anyio.Event | None = None
        self._runner = _async_generator(self._run())
        self._main: AsyncIterator[ChatMessage] | None = None

    async def __aiter__(self) -> AsyncGenerator[ChatMessage, None]:
        """Iterate from the first chunk; chunks that were received already are replayed."""
        received, runner, reader = self._received, self._runner, self._enter()
        chunks, position = iter(received), 0
        try:
            while True:
                if position < (end := len(received)):
                    for message in chunks:
                        reader.position = position = position + 1
                        if self._limit is not None and self._is_dropped(position):
                            break
                        yield message
                        if position == end:
                            break
                    else:  # the rest was dropped, and an iterator that has ended does not go on
                        chunks = iter(received[position:])
                elif runner.ag_running:
                    await self._wait_for_reader()
                else:
                    try:
                        await anext(runner)
                    except StopAsyncIteration:
                        break
                    except Exception:
                        raise
                    except BaseException as error:
                        self._note_interruption(error)
                        raise
                    finally:
                        if self._waiting is not None:
                            self._wake()
            self._raise_if_broken()
        finally:
            if self._exit(reader):
                await self._leave()

    async def __anext__(self) -> ChatMessage:
        """Return the next chunk, for readers that take one at a time."""
        if self._main is None:
            self._main = self.__aiter__()
        return await anext(self._main)

    async def _wait_for_reader(self) -> None:
        """Wait until the loop that is reading the source has a chunk or is cancelled."""
        if is_called_by(self._runner.ag_frame):
            raise ReentrantIterationError(REENTRY)
        if self._waiting is None:
            self._waiting = anyio.Event()
        await self._waiting.wait()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.set()

    def _stages(
        self, source: AsyncIterable[ChatMessage | TextRun] | Iterable[ChatMessage | TextRun]
    ) -> AsyncIterable[ChatMessage | TextRun] | Iterable[ChatMessage | TextRun]:
        """Put the time limits, the observers and the filters behind the source."""
        if self._stopwatch is not None:
            self._stopwatch.start()
        observers = [observer for observer in (self._observer, self._stopwatch) if observer is not None]
        if isinstance(source, AsyncIterable):
            if self._limits is not None:
                source = alimited(source, self._limits)
            for observer in observers:
                source = awatched(source, observer)
            return source if self._filter is None else afiltered(source, self._filter)
        if self._limits is not None:
            source = limited(source, self._limits)
        for observer in observers:
            source = watched(source, observer)
        return source if self._filter is None else filtered(source, self._filter)

    async def _run(self) -> AsyncGenerator[None, None]:
        """Run the stream from start to end; yields after each received chunk."""
        add, append = self._add, self._received.append
        try:
            self._status = "streaming"
            source = self._stages(self._source if self._source is not None else ())
            if isinstance(source, AsyncIterable):
                iterator = aiter(source)
                try:
                    async for chunk in StartedIterator(iterator):
                        if is_plain_text(chunk) and self._output is None:
                            append(chunk)
                        elif not add(chunk):
                            break
                        yield
                        if self._output is not None:
                            break
                finally:
                    await close_iterator(iterator, source)
            else:
                for chunk in source:
                    if is_plain_text(chunk) and self._output is None:
                        append(chunk)
                    elif not add(chunk):
                        break
                    yield
                    if self._output is not None:
                        break
            if self._finish():
                yield
        except Exception as error:
            # If the stream was closed meanwhile, the error only comes from reading a closed source.
            if self._end("failed", error):
                await self._failed(error)
                raise
        except BaseException:
            await self._cancelled()
            raise
        if not self._end("complete"):
            await self._close_source()
            return
        await self._defer_error(self._close_source)
        async with contextlib.aclosing(self._conclude(self)) as chunks:
            async for _ in chunks:
                yield

    async def _conclude(self, stream: StreamState[Any]) -> AsyncGenerator[ChatMessage, None]:
        """Send a stream's event, run its callbacks, and continue with the streams that they return."""
        output = stream.get_chat_output()
        await self._send(stream, post_streaming_response, completed_event(stream.context, output))
        with stream._deferred_errors_raised():
            for callback in tuple(stream._callbacks):
                if stream._closed:
                    break
                value = await self._call(stream, callback.function, output.message)
                follow_up = follow_up_of(value, callback.function)
                if follow_up is None:
                    continue
                stream._add_follow_up(follow_up)
                async with contextlib.aclosing(self._chunks_of(follow_up)) as chunks:
                    with stream._follow_up_read(follow_up):
                        async for chunk in chunks:
                            stream._received.append(chunk)
                            yield chunk

    async def _chunks_of(self, stream: StreamState[Any]) -> AsyncGenerator[ChatMessage, None]:
        """Yield the chunks of a follow-up. A plain one is concluded here, because its listeners may be coroutines."""
        if isinstance(stream, AsyncStreamedChatMessageIterator):
            async with contextlib.aclosing(stream.__aiter__()) as chunks:
                async for chunk in chunks:
                    yield chunk
        elif isinstance(stream, StreamedChatMessageIterator):
            concluded = stream.status != "pending"
            if not concluded:
                stream._concludes = False
            try:
                with contextlib.closing(stream.__iter__()) as plain_chunks:
                    for chunk in plain_chunks:
                        yield chunk
            except Exception as error:
                if not concluded and error is stream.error:
                    await self._send_failure(stream, error)
                raise
            if not concluded and stream.status == "complete":
                async with contextlib.aclosing(self._conclude(stream)) as more:
                    async for chunk in more:
                        yield chunk

    async def _call(self, stream: StreamState[Any], function: AsyncCallback, message: ChatMessage) -> Any:
        try:
            value = function(message)
            return await value if inspect.isawaitable(value) else value
        except Exception as error:
            handled = stream._callback_failed(error)
            if inspect.isawaitable(handled):
                await handled
            return None

    async def _send(self, stream: StreamState[Any], signal: blinker.Signal, event: PostStreamingResponseEvent) -> None:
        """Call every listener; their errors are raised once the stream has been delivered."""
        for receiver in () if signal.is_muted else tuple(signal.receivers_for(stream)):
            await self._defer_error(partial(self._notify, receiver, stream, event), stream)

    async def _notify(
        self, receiver: Callable[..., Any], stream: StreamState[Any], event: PostStreamingResponseEvent
    ) -> None:
        value = receiver(stream, event=event)
        if inspect.isawaitable(value):
            await value

    async def _defer_error(self, action: Callable[[], Awaitable[None]], stream: StreamState[Any] | None = None) -> None:
        try:
            await action()
        except Exception as error:
            (stream or self)._deferred_errors.append(error)

    async def _failed(self, error: Exception) -> None:
        await self._defer_error(self._close_source)
        await self._send_failure(self, error)

    async def _send_failure(self, stream: StreamState[Any], error: Exception) -> None:
        await self._send(stream, streaming_failed, failed_event(stream.context, stream.get_chat_output(), error))
        stream._note_deferred_errors(error)

    async def _cancelled(self) -> None:
        self._end("cancelled")
        await self._close_source()

    async def _close_source(self) -> None:
        close = self._close or getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
        if is_running(close):
            return  # a running generator can't be closed: its reader closes it afterwards
        source, self._source = self._source, None
        if source is not None:
            await call_close(close)

    async def aclose(self) -> None:
        """Stop reading and close the source; the partial output stays. Can be called at any time and repeatedly."""
        self._closed = True
        self._end("cancelled")
        await self._leave()

    async def _leave(self) -> None:
        if self._runner.ag_running:
            for follow_up in self.follow_ups:
                if isinstance(follow_up, AsyncStreamedChatMessageIterator):
                    await follow_up.aclose()
                elif isinstance(follow_up, StreamedChatMessageIterator):
                    follow_up.close()
        else:
            try:
                await self._runner.aclose()
            finally:
                self._wake()
        await self._close_source()

    async def __aenter__(self) -> AsyncStreamedChatMessageIterator:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _async_generator(runner: AsyncGenerator[None, None]) -> AsyncGeneratorType[None, None]:
    assert isinstance(runner, AsyncGeneratorType)
    return runner
