"""The iterator of a stream for plain `for` loops."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable
from functools import partial
from types import GeneratorType, TracebackType
from typing import Any

import blinker

from tokentape.errors import AsyncCallbackError, ReentrantIterationError
from tokentape.message import ChatMessage
from tokentape.stream.accumulator import is_plain_text
from tokentape.stream.context import StreamContext
from tokentape.stream.filtering import filtered
from tokentape.stream.observer import watched
from tokentape.stream.signals import (
    PostStreamingResponseEvent,
    completed_event,
    failed_event,
    post_streaming_response,
    streaming_failed,
)
from tokentape.stream.state import REENTRY, StreamState, follow_up_of, is_running, refuse_awaitable
from tokentape.stream.time_limits import limited
from tokentape.text_run import TextRun

SyncCallback = Callable[[ChatMessage], Any]


class StreamedChatMessageIterator(StreamState[SyncCallback]):
    """Yields the chunks of a stream as they arrive.

        for message in stream:
            print(message.text, end="", flush=True)

    `source` is any iterable of `ChatMessage` chunks. It is read lazily, one chunk at a time, and never twice: a
    second loop replays what was received, and concurrent loops each get every chunk. Leaving the (last) loop,
    `close()`, or the end of a `with` block closes the source, by `close` if given, else by its own `close()`.

    When the source ends, `status` becomes `complete`, `post_streaming_response` is sent, callbacks run in order, and
    streams that they return continue the same loop. An error of the source propagates after `streaming_failed` was
    sent; the partial output stays readable. `on_callback_error` receives the exceptions of callbacks, which propagate
    without it.
    """

    def __init__(
        self,
        source: Iterable[ChatMessage | TextRun],
        *,
        context: StreamContext | None = None,
        close: Callable[[], None] | None = None,
        raw_events: list[bytes] | None = None,
        on_callback_error: Callable[[Exception], None] | None = None,
    ) -> None:
        super().__init__(context=context, raw_events=raw_events, on_callback_error=on_callback_error, close=close)
        self._source: Iterable[ChatMessage | TextRun] | None = source
        self._close = close
        self._lock = threading.RLock()
        self._runner = _generator(self._run())
        self._main: Generator[ChatMessage, None, None] | None = None

    def __iter__(self) -> Generator[ChatMessage, None, None]:
        """Iterate from the first chunk; chunks that were received already are replayed."""
        received, reader = self._received, self._enter()
        chunks, position, end = iter(received), 0, 0
        try:
            while position < end or (end := self._advance(position)):
                for message in chunks:
                    reader.position = position = position + 1
                    if self._limit is not None and self._is_dropped(position):
                        break
                    yield message
                    if position == end:
                        break
                else:  # the rest was dropped, and an iterator that has ended does not go on
                    chunks, end = iter(received[position:]), 0
            self._raise_if_broken()
        finally:
            if self._exit(reader):
                self._leave()

    def __next__(self) -> ChatMessage:
        """Return the next chunk, for readers that take one at a time."""
        if self._main is None:
            self._main = self.__iter__()
        return next(self._main)

    def _advance(self, position: int) -> int:
        """Read until there is a chunk at `position`; return the number of chunks, 0 if the stream ends before it."""
        received, runner = self._received, self._runner
        if position < (end := len(received)):
            return end
        self._lock.acquire()  # this and `release()` take half the time of `with`, once a chunk
        try:
            if runner.gi_running:
                raise ReentrantIterationError(REENTRY)
            while position >= (end := len(received)):
                next(runner)
        except StopIteration:
            return 0
        except Exception:
            raise
        except BaseException as error:
            self._note_interruption(error)
            raise
        finally:
            self._lock.release()
        return end

    def _run(self) -> Generator[None, None, None]:
        """Run the stream from start to end; yields after each received chunk."""
        add, append = self._add, self._received.append
        try:
            self._status = "streaming"
            source: Iterable[ChatMessage | TextRun] = self._source if self._source is not None else ()
            if self._limits is not None:
                source = limited(source, self._limits)
            if self._observer is not None:
                source = watched(source, self._observer)
            if self._stopwatch is not None:
                self._stopwatch.start()
                source = watched(source, self._stopwatch)
            if self._filter is not None:
                source = filtered(source, self._filter)
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
                self._failed(error)
                raise
        except BaseException:
            self._cancelled()
            raise
        if not self._end("complete"):
            self._close_source()
            return
        self._defer_error(self._close_source)
        if self._concludes:
            yield from self._conclude()

    def _conclude(self) -> Generator[None, None, None]:
        """Send the event, run the callbacks, and continue with the streams that they return."""
        output = self.get_chat_output()
        self._send(post_streaming_response, completed_event(self.context, output))
        with self._deferred_errors_raised():
            for callback in tuple(self._callbacks):
                if self._closed:
                    break
                follow_up = follow_up_of(self._call(callback.function, output.message), callback.function)
                if follow_up is None:
                    continue
                if not isinstance(follow_up, StreamedChatMessageIterator):
                    raise AsyncCallbackError(
                        "a callback returned an async stream, but the stream is read by a plain `for`"
                    )
                self._add_follow_up(follow_up)
                with contextlib.closing(follow_up.__iter__()) as chunks, self._follow_up_read(follow_up):
                    for chunk in chunks:
                        self._received.append(chunk)
                        yield

    def _call(self, function: SyncCallback, message: ChatMessage) -> Any:
        try:
            value = function(message)
            refuse_awaitable(value, function)
        except Exception as error:
            refuse_awaitable(self._callback_failed(error), self._on_callback_error)
            return None
        return value

    def _send(self, signal: blinker.Signal, event: PostStreamingResponseEvent) -> None:
        """Call every listener; their errors are raised once the stream has been delivered."""
        for receiver in () if signal.is_muted else tuple(signal.receivers_for(self)):
            self._defer_error(partial(self._notify, receiver, event))

    def _notify(self, receiver: Callable[..., Any], event: PostStreamingResponseEvent) -> None:
        refuse_awaitable(receiver(self, event=event), receiver)

    def _defer_error(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._deferred_errors.append(error)

    def _failed(self, error: Exception) -> None:
        self._defer_error(self._close_source)
        if self._concludes:
            self._send(streaming_failed, failed_event(self.context, self.get_chat_output(), error))
        self._note_deferred_errors(error)

    def _cancelled(self) -> None:
        self._end("cancelled")
        self._close_source()

    def _closing(self) -> Callable[[], None] | None:
        return self._close or getattr(self._source, "close", None)

    def _close_source(self) -> None:
        close = self._closing()
        if is_running(close):
            return  # a running generator can't be closed: its reader closes it afterwards
        with self._guard:
            source, self._source = self._source, None
        if source is not None and close is not None:
            close()

    def close(self) -> None:
        """Stop reading and close the source; the partial output stays. Can be called at any time and repeatedly."""
        self._closed = True
        self._end("cancelled")
        self._leave()

    def _leave(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._close_follow_ups()
            if not isinstance(getattr(self._closing(), "__self__", None), GeneratorType):
                self._close_source()  # ends the read in the other thread; a generator is closed by its own reader
            return
        try:
            if self._runner.gi_running:
                self._close_follow_ups()
            else:
                self._runner.close()
            self._close_source()
        finally:
            self._lock.release()

    def _close_follow_ups(self) -> None:
        for follow_up in self.follow_ups:
            if isinstance(follow_up, StreamedChatMessageIterator):
                follow_up.close()

    def __enter__(self) -> StreamedChatMessageIterator:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _generator(runner: Generator[None, None, None]) -> GeneratorType[None, None, None]:
    assert isinstance(runner, GeneratorType)
    return runner
