"""Reads one stream into the log of its response: a plain stream in a thread, an async one in a task."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Literal, TypeAlias

from tokentape.clock import Call, Clock
from tokentape.errors import ConfigurationError, WorkerLostError
from tokentape.web.encoder import FrameEncoder
from tokentape.web.frames import error_frame, error_report
from tokentape.web.reading import async_messages, close_unread
from tokentape.web.resumable.buffer import EventSink
from tokentape.web.resumable.log import ResponseStatus

log = logging.getLogger("tokentape.web")

WhenUnread: TypeAlias = Literal["finish", "cancel"] | float
"""What happens when the last reader has left: the response goes on to its end, or it is stopped, at once or after a
number of seconds without a reader."""

_tasks: set[asyncio.Task[None]] = set()


def keep_task(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine in the running event loop, which by itself keeps only weak references to its tasks."""
    task = asyncio.get_running_loop().create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


class Pump:
    """Reads a stream once, encodes its messages, and adds the events to the sink of its response.

    The first of the stream's end, its error and `stop` ends the response; what comes later is not added.
    """

    def __init__(
        self,
        sink: EventSink,
        encoder_of: Callable[[object], FrameEncoder],
        when_unread: WhenUnread,
        clock: Clock,
        ended: Callable[[Pump], object],
    ) -> None:
        self._sink = sink
        self._on_end = ended
        self._encoder_of = encoder_of
        self._encoder: FrameEncoder | None = None  # until the stream is there
        self._when_unread = when_unread
        self._clock = clock
        self._cancel: Callable[[], object] | None = None  # what closes the stream, or ends its opening
        self._ended = False
        self._timer: Call | None = None
        self._had_readers = False
        self._lock = threading.RLock()  # around the encoder, which keeps state; never held while the stream is read
        sink.attach(self)

    @property
    def ended(self) -> bool:
        """Whether the response has ended."""
        return self._ended

    # What the stream reports.

    async def opened(self, opening: Awaitable[Any]) -> Any:
        """Return the stream that a coroutine opens; an empty one if the response is stopped meanwhile."""
        task = asyncio.ensure_future(opening)
        with self._lock:
            self._cancel = lambda: task.get_loop().call_soon_threadsafe(task.cancel)
            if self._ended:
                task.cancel()
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,))
            raise
        return () if task.cancelled() and self._ended else task.result()

    def start(self, stream: Any) -> None:
        """Start reading; an async stream needs a running event loop of asyncio."""
        with self._lock:
            self._encoder = self._encoder_of(stream)
            if hasattr(stream, "__aiter__"):
                task = keep_task(self._read_async(stream))
                self._cancel = lambda: task.get_loop().call_soon_threadsafe(task.cancel)
            else:
                _start_thread(contextvars.copy_context().run, self._read, stream)
                self._cancel = partial(_start_thread, close_quietly, stream)
        self.readers_changed()  # the seconds without a reader begin

    def fail(self, error: BaseException) -> None:
        """End the response with an error."""
        if self._end("failed", lambda encoder: encoder.error(error)):
            log.warning("a resumable response failed: %s", error_report(error))

    def _read(self, stream: Any) -> None:
        messages = None
        try:
            if not self._ended:
                messages = iter(stream)
                for message in messages:
                    if not self._add(message):
                        break
                    backlog = self._sink.backlog()
                    if backlog is not None:
                        backlog.result()
            self._end("complete", lambda encoder: encoder.end())
        except BaseException as error:  # such as the Timeout of gevent: readers must not wait for ever
            self.fail(error)
        finally:
            for closable in (messages, stream):
                close_quietly(closable)

    async def _read_async(self, stream: Any) -> None:
        try:
            if self._ended:
                await close_unread(stream)
                return
            async with contextlib.aclosing(async_messages(stream)) as messages:
                async for message in messages:
                    if not self._add(message):
                        break
                    backlog = self._sink.backlog()
                    if backlog is not None:
                        await asyncio.wrap_future(backlog)
            self._end("complete", lambda encoder: encoder.end())
        except Exception as error:
            self.fail(error)
        except asyncio.CancelledError:
            self.abort()  # the server ends

    def _add(self, message: Any) -> bool:
        """Add the events of a message; return False if the response has ended."""
        with self._lock:
            if not self._ended:
                assert self._encoder is not None
                self._sink.append(_whole(self._encoder.message(message)))
            return not self._ended

    def _end(self, status: ResponseStatus, events: Callable[[FrameEncoder], Iterable[bytes]]) -> bool:
        """End the response unless it has ended; return whether this did it."""
        with self._lock:
            if self._ended:
                return False
            self._ended = True
            try:
                last = _whole(events(self._encoder or self._encoder_of(None)))
            except Exception as error:
                log.exception("the encoder of a resumable response failed")
                status, last = "failed", [error_frame(error, "sse")]
            self._sink.end(status, last)
            self._cancel_timer()
        self._on_end(self)
        return True

    # What users and readers cause.

    def stop(self) -> None:
        """Stop the response, and close the provider's connection, at once."""
        if self._end("stopped", lambda encoder: encoder.stopped()):
            self._cancel_stream()

    def abort(self) -> None:
        """End the response with an error, and close the provider's connection, at once: the server stops."""
        stopped = WorkerLostError("the server stopped while the response was generated")
        if self._end("failed", lambda encoder: encoder.error(stopped)):
            self._cancel_stream()

    def _cancel_stream(self) -> None:
        if self._cancel is not None:
            with contextlib.suppress(RuntimeError):  # an event loop that is closed has cancelled its tasks
                self._cancel()

    def readers_changed(self) -> None:
        """Note that the number of readers changed; what happens after the last one has left is `when_unread`."""
        with self._lock:
            count = 0 if self._ended else self._sink.readers
            unread = count == 0 and not self._ended and (self._had_readers or self._when_unread != "cancel")
            self._had_readers = self._had_readers or count > 0
            if not unread:
                self._cancel_timer()
            elif not isinstance(self._when_unread, str) and self._timer is None:
                deadline = self._clock.now() + self._when_unread * 1000.0
                self._timer = self._clock.call_at(deadline, self._expire)
        if unread and self._when_unread == "cancel":
            self.stop()

    def _expire(self) -> None:
        with self._lock:  # a reader may have come when the clock had begun its call
            if not self._sink.readers:
                self.stop()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _whole(events: Iterable[bytes]) -> list[bytes]:
    """Return the events. Raises ConfigurationError for one without the blank line that ends it."""
    checked = list(events)
    for event in checked:
        if not event.endswith((b"\n\n", b"\r\n\r\n")):
            raise ConfigurationError(
                f"the encoder returned {event[-60:]!r}; each bytes object must be one server-sent event, which ends "
                "with a blank line"
            )
    return checked


def _start_thread(function: Callable[..., object], *arguments: Any) -> None:
    threading.Thread(target=function, args=arguments, name="tokentape-pump", daemon=True).start()


def close_quietly(stream: Any) -> None:
    """Close a stream, which may take its time, and whose errors come too late to be reported."""
    close = getattr(stream, "close", None)
    if close is not None:
        with contextlib.suppress(Exception):  # ValueError: a generator that is running; its own thread closes it
            close()


def check_when_unread(when_unread: object) -> None:
    """Raise ConfigurationError for a value that `WhenUnread` does not have."""
    seconds = when_unread if isinstance(when_unread, (int, float)) and not isinstance(when_unread, bool) else 0.0
    if when_unread not in ("finish", "cancel") and not seconds > 0:
        raise ConfigurationError(
            f"when_unread is {when_unread!r}; it can be 'finish', 'cancel', or a number of seconds more than 0"
        )
