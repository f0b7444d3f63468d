"""The iterator of a stream, for plain `for` loops."""

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
from tokentape.stream.context import StreamContext
from tokentape.stream.signals import (
    PostStreamingResponseEvent,
    completed_event,
    failed_event,
    post_streaming_response,
    streaming_failed,
)
from tokentape.stream.state import REENTRY, StreamState, follow_up_of, is_running, refuse_awaitable
from tokentape.text_run import TextRun

SyncCallback = Callable[[ChatMessage], Any]


class StreamedChatMessageIterator(StreamState[SyncCallback]):
    """Yields the chunks of a stream as they arrive.

        for message in stream:
            print(message.text, end="", flush=True)

    `source` is any iterable of `ChatMessage` chunks; it is read lazily, one chunk at a time, and never twice: a
    second loop replays what was received, and two loops at once each see everything. Leaving the (last) loop,
    `close()`, or the end of a `with` block closes the source, by `close` if given, else by its own `close()`.

    When the source ends: `status` is `complete`, `post_streaming_response` is sent, callbacks run in order, and
    streams that they return continue the same loop. An error of the source propagates after `streaming_failed` was
    sent; the partial output stays readable. `on_callback_error` takes the exceptions of callbacks, which propagate
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
        self._life = _generator(self._run())
        self._main: Generator[ChatMessage, None, None] | None = None

    def __iter__(self) -> Generator[ChatMessage, None, None]:
        """Iterate from the first chunk; what was received already is replayed."""
        received, reader = self._received, self._enter()
        position = 0
        try:
            while position < len(received) or self._advance(position):
                for message in received[position:]:
                    reader.position = position = position + 1
                    if self._limit is not None and self._is_taken_back(position):
                        break
                    yield message
            self._raise_if_broken()
        finally:
            if self._exit(reader):
                self._leave()

    def __next__(self) -> ChatMessage:
        """The next chunk, for readers that take one at a time."""
        if self._main is None:
            self._main = self.__iter__()
        return next(self._main)

    def _advance(self, position: int) -> bool:
        """Read until there is a chunk at `position`; False if the stream has ended before."""
        with self._lock:
            if self._life.gi_running:
                raise ReentrantIterationError(REENTRY)
            try:
                while position >= len(self._received):
                    next(self._life)
            except StopIteration:
                return False
            except Exception:
                raise
            except BaseException as error:
                self._cut(error)
                raise
        return True

    def _run(self) -> Generator[None, None, None]:
        """The life of the stream; stops after each chunk that was received."""
        yield from self._receive()
        if self._status == "complete":
            yield from self._conclude()

    def _receive(self) -> Generator[None, None, None]:
        """Receive the stream's own chunks."""
        take = self._take
        try:
            self._status = "streaming"
            for chunk in self._source if self._source is not None else ():
                if not take(chunk):
                    break
                yield
                if self._output is not None:
                    break
            if self._finish():
                yield
        except Exception as error:
            # Closed from elsewhere meanwhile: what reading a closed source raises is no news.
            if self._end("failed", error):
                self._failed(error)
                raise
        except BaseException:
            self._cancelled()
            raise
        if self._end("complete"):
            self._late(self._close_source)
        else:
            self._close_source()

    def _conclude(self) -> Generator[None, None, None]:
        """Send the event, run the callbacks, and continue with the streams that they return."""
        output = self.get_chat_output()
        self._send(post_streaming_response, completed_event(self.context, output))
        with self._late_errors_raised():
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
                self._adopt(follow_up)
                with contextlib.closing(follow_up.__iter__()) as chunks, self._follow_up_read(follow_up):
                    for chunk in chunks:
                        self._received.append(chunk)
                        yield

    def _receive_only(self) -> None:
        """Let the life of a stream that has not begun end with its own chunks: the caller concludes it."""
        self._life = _generator(self._receive())
        self._sends_failure = False

    def _call(self, function: SyncCallback, message: ChatMessage) -> Any:
        try:
            value = function(message)
            refuse_awaitable(value, function)
        except Exception as error:
            refuse_awaitable(self._callback_failed(error), self._on_callback_error)
            return None
        return value

    def _send(self, signal: blinker.Signal, event: PostStreamingResponseEvent) -> None:
        """Call every listener; what they raise comes once the stream is through."""
        for receiver in () if signal.is_muted else tuple(signal.receivers_for(self)):
            self._late(partial(self._notify, receiver, event))

    def _notify(self, receiver: Callable[..., Any], event: PostStreamingResponseEvent) -> None:
        refuse_awaitable(receiver(self, event=event), receiver)

    def _late(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._late_errors.append(error)

    def _failed(self, error: Exception) -> None:
        self._late(self._close_source)
        if self._sends_failure:
            self._send(streaming_failed, failed_event(self.context, self.get_chat_output(), error))
        self._note_late_errors(error)

    def _cancelled(self) -> None:
        self._end("cancelled")
        self._close_source()

    def _closing(self) -> Callable[[], None] | None:
        return self._close or getattr(self._source, "close", None)

    def _close_source(self) -> None:
        close = self._closing()
        if is_running(close):
            return  # a generator can't be closed while it runs: its reader does it, coming back
        with self._guard:
            source, self._source = self._source, None
        if source is not None and close is not None:
            close()

    def close(self) -> None:
        """Stop reading and close the source; the partial output stays. Safe to call at any time, more than once."""
        self._closed = True
        self._end("cancelled")
        self._leave()

    def _leave(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._close_follow_ups()
            if not isinstance(getattr(self._closing(), "__self__", None), GeneratorType):
                self._close_source()  # ends the read of the other thread, which closes a generator as it comes back
            return
        try:
            if self._life.gi_running:
                self._close_follow_ups()
            else:
                self._life.close()
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


def _generator(life: Generator[None, None, None]) -> GeneratorType[None, None, None]:
    assert isinstance(life, GeneratorType)
    return life
