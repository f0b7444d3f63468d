"""Responses whose readers may come and go."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future, InvalidStateError
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from tokentape.arguments import require_callable, require_number, require_text
from tokentape.clock import Clock, MachineClock
from tokentape.errors import BufferUnavailableError, ConfigurationError, TokentapeError
from tokentape.stream.timeouts import Timeouts
from tokentape.web.encoder import FrameEncoder, frame_encoder
from tokentape.web.frames import response_headers
from tokentape.web.reading import checked_stream, close_unread, require_asyncio
from tokentape.web.resumable.buffer import Buffer, EventSink, MemoryBuffer
from tokentape.web.resumable.cursor import number_in, parse_cursor
from tokentape.web.resumable.log import EventLog, ResponseStatus
from tokentape.web.resumable.pump import Pump, WhenUnread, check_when_unread, close_quietly, keep_task
from tokentape.web.resumable.reader import Reader
from tokentape.web.resumable.shutdown import install, installed

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

    from tokentape.web.resumable.asgi import ResumableASGI
    from tokentape.web.resumable.starlette import ResumableResponse
    from tokentape.web.resumable.wsgi import ResumableWSGI


ResultT = TypeVar("ResultT")

_LONGEST_ID = 512
_text = partial(require_text, name="the id of a response")

ResumableFormat: TypeAlias = Literal["sse", "ui-message-stream"] | Callable[[Any], FrameEncoder]
"""The format of the events: one of the web responses' own, or a function that returns the encoder of a stream. It is
called with None for the last event of a response whose stream is not in this process."""


class ResumableResponses:
    """Keeps the events of each response, so that readers may leave and come back.

        responses = ResumableResponses(when_unread=30)

        @app.post("/chat/{id}")
        async def chat(id: str, prompt: str):
            await responses.astart(id, lambda: provider.achat(prompt, stream=True))
            return responses.starlette(id)

        @app.get("/chat/{id}")
        async def rejoin(id: str):
            return responses.starlette(id)

    A reader that sends `Last-Event-ID` (or the query parameter `last_event_id`) receives what it missed, then what
    comes; one without it reads from the start. The provider is read once, however many readers there are.

    `buffer` keeps the events, by default a `MemoryBuffer`. When the last reader has left, `when_unread` decides:
    `"finish"` generates on to the end, `"cancel"` stops at once, a number stops after as many seconds without a
    reader. `format` is one of the formats of server-sent events, or a function that returns the `FrameEncoder` of a
    stream, each of whose frames is one event without `id`; `headers` adds or replaces headers (None removes one).
    After `heartbeat` seconds without an event a comment is sent; None sends none. Both times follow `clock`.

    When the server stops, the responses that it generates end with an error and their providers' connections are
    closed: by `FastAPI(lifespan=responses.lifespan)`, elsewhere by `close_on_signal()` or `close()`. `grace` is for how
    many seconds they may go on before that. Raises ConfigurationError.
    """

    def __init__(
        self,
        *,
        buffer: Buffer | None = None,
        when_unread: WhenUnread = "finish",
        format: ResumableFormat = "sse",  # noqa: A002 - the parameter's own name
        heartbeat: float | None = 15.0,
        headers: Mapping[str, str | None] | None = None,
        clock: Clock | None = None,
        grace: float = 0.0,
    ) -> None:
        require_number(grace, "grace", zero=True)
        self._timeouts = Timeouts(heartbeat, None, clock)
        self._timeouts.check()
        check_when_unread(when_unread)
        self._clock = clock or MachineClock()
        self._buffer = buffer or MemoryBuffer(clock=clock)
        self._when_unread = when_unread
        self._grace = grace
        self._running: set[Pump] = set()
        self._idle: Future[None] | None = None
        """Set once the server stops; done when no response is generated any more."""
        self._lock = threading.Lock()
        if isinstance(format, str):
            if format not in ("sse", "ui-message-stream"):
                raise ConfigurationError(
                    f"format is {format!r}; a resumable response can be 'sse' or 'ui-message-stream', or a function "
                    "that returns the FrameEncoder of a stream"
                )
            self._encoder_of: Callable[[object], FrameEncoder] = partial(frame_encoder, format)
        else:
            require_callable(format, "format", "a stream or None, and returns its FrameEncoder")
            self._encoder_of = format
        self.headers = response_headers(
            format if isinstance(format, str) else "sse", {"cache-control": "no-store", **(headers or {})}
        )

    # Starting and stopping.

    def start(self, id: str, stream: Any, *, replace: bool = False) -> bool:  # noqa: A002
        """Start a response, and return True; return False if there is one with this id.

        `stream` is an iterator of messages, the response that has it, or a function that returns either; the function
        is called only if the response starts, and its error is raised here. A stream that is not read is closed. With
        `replace` a response with this id is stopped if it is running, and this one takes its place.

        A plain stream is read in a thread of its own, an async one in a task of the running event loop.
        """
        opening = (lambda: _not_awaitable(stream())) if _is_function(stream) else _not_awaitable(stream)
        starting = self._start(id, opening, replace, _done_result)
        try:
            starting.send(None)
        except StopIteration as started:
            return bool(started.value)
        raise AssertionError("a start that waits for nothing has not ended")

    async def astart(self, id: str, stream: Any, *, replace: bool = False) -> bool:  # noqa: A002
        """`start` for coroutines; the function may be a coroutine function."""
        return await self._start(id, stream, replace, _result)

    async def _start(
        self,
        id: str,  # noqa: A002
        stream: Any,
        replace: bool,
        result: Callable[[Future[Any]], Awaitable[Any]],
    ) -> bool:
        """Start a response; `result` waits for a future."""
        try:
            sink = await result(self._buffer.create(self._startable(id), replace=replace))
        except BaseException:
            _close(stream)
            raise
        if sink is None:
            _close(stream)
            return False
        pump = self._pump(sink)
        try:
            stream = stream() if _is_function(stream) else stream
            if inspect.isawaitable(stream):
                stream = await pump.opened(stream)
            pump.start(_checked_stream(stream))
        except BaseException as error:
            _close(stream)
            with contextlib.suppress(TokentapeError):
                await result(self._not_opened(sink, pump, error))
            raise
        return True

    def _startable(self, id: str) -> str:  # noqa: A002
        if not 0 < len(_text(id)) <= _LONGEST_ID:
            raise ConfigurationError(f"the id of a response is {id!r:.80}; it must have 1 to {_LONGEST_ID} characters")
        if self._idle is not None:
            raise BufferUnavailableError("the server is stopping: no response is started any more")
        return id

    def _pump(self, sink: EventSink) -> Pump:
        pump = Pump(sink, self._encoder_of, self._when_unread, self._clock, self._ended)
        with self._lock:
            self._running.add(pump)
            is_late = self._idle is not None
        if is_late:
            pump.abort()
        if pump.ended:  # a response can be stopped before it has a pump
            self._ended(pump)
        return pump

    def _not_opened(self, sink: EventSink, pump: Pump, error: BaseException) -> Future[None]:
        """End a response whose stream could not be opened, and forget it, so that it can be started again."""
        pump.fail(error if isinstance(error, Exception) else ConnectionAbortedError("the request was cancelled"))
        return self._buffer.forget(sink)

    def stop(self, id: str) -> bool:  # noqa: A002
        """Stop a response: the provider's connection is closed at once, and readers receive the end of what they have.

        Returns whether it was running, in this process or another one that shares the buffer.
        """
        return self._buffer.stop(_text(id)).result()

    async def astop(self, id: str) -> bool:  # noqa: A002
        """`stop` for coroutines."""
        return await _result(self._buffer.stop(_text(id)))

    def status(self, id: str) -> ResponseStatus | None:  # noqa: A002
        """Return `running`, `complete`, `failed` or `stopped`; None if no such response is kept."""
        return self._buffer.status(_text(id)).result()

    async def astatus(self, id: str) -> ResponseStatus | None:  # noqa: A002
        """`status` for coroutines."""
        return await _result(self._buffer.status(_text(id)))

    # The server's end.

    def close(self) -> None:
        """Start no more responses; after `grace` seconds end those that run here with an error, and close the buffer.

        Their providers' connections are closed, and readers receive the end. Readers of what another process generates
        are disconnected, so that they come back elsewhere. Calling it again does no harm.
        """
        self._stop().result()
        self._close_buffer()

    async def aclose(self) -> None:
        """`close` for coroutines."""
        await _result(self._stop())
        await asyncio.to_thread(self._close_buffer)

    def close_on_signal(self) -> None:
        """Call `close` at SIGTERM and SIGINT, before the handlers that there are now, and at the end of the process.

        Call it in the main thread once the server has its own handlers: where the app is created. Raises
        ConfigurationError in another thread.
        """
        install(self.close)
        atexit.register(self.close)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """The lifespan of an ASGI application: `close` at SIGTERM and SIGINT, before the server waits for its readers.

        Use it as `FastAPI(lifespan=responses.lifespan)`, or within another one: `async with responses.lifespan(): ...`
        """
        del app
        self._idle = None  # an application may start again, as in tests
        with installed(self.close):
            try:
                yield
            finally:
                await self.aclose()

    def _stop(self) -> Future[None]:
        with self._lock:
            if self._idle is not None:
                return self._idle
            idle = self._idle = Future()
            if not self._running:
                idle.set_result(None)
        if not idle.done():
            if self._grace:
                timer = self._clock.call_at(self._clock.now() + self._grace * 1000.0, self._abort)
                idle.add_done_callback(lambda _: timer.cancel())
            else:
                self._abort()
        return idle

    def _abort(self) -> None:
        for pump in list(self._running):
            pump.abort()

    def _ended(self, pump: Pump) -> None:
        with self._lock:
            self._running.discard(pump)
            idle = None if self._running else self._idle
        if idle is not None:
            with contextlib.suppress(InvalidStateError):
                idle.set_result(None)

    def _close_buffer(self) -> None:
        close = getattr(self._buffer, "close", None)
        if close is not None:
            close()

    # Reading.

    def open(self, id: str, last_event_id: str | None = None, *, head: bool = False) -> Reader:  # noqa: A002
        """Return a reader of a response, from the event after this one or from the start.

        With `head` it receives nothing and does not count as a reader: for the answer to a HEAD request.

        Raises ResumeError, whose `status` is the HTTP status to answer with.
        """
        cursor = parse_cursor(last_event_id)
        return self._reader(self._open(id).result(), cursor, head)

    async def aopen(self, id: str, last_event_id: str | None = None, *, head: bool = False) -> Reader:  # noqa: A002
        """`open` for coroutines."""
        cursor = parse_cursor(last_event_id)
        return self._reader(await _result(self._open(id)), cursor, head)

    def _open(self, id: str) -> Future[EventLog]:  # noqa: A002
        return self._buffer.open(_text(id), self._failed)

    def _reader(self, log: EventLog, cursor: Any, head: bool) -> Reader:
        return Reader(log, number_in(log, cursor), self._failed, self._timeouts, closed=head)

    def _failed(self, error: Exception) -> Iterable[bytes]:
        return self._encoder_of(None).error(error)

    # Web frameworks.

    def asgi(self, id: str) -> ResumableASGI:  # noqa: A002
        """Return an ASGI application that answers with a response of this id."""
        from tokentape.web.resumable.asgi import ResumableASGI

        return ResumableASGI(self, id)

    def wsgi(self, id: str) -> ResumableWSGI:  # noqa: A002
        """Return a WSGI application that answers with a response of this id. A view of Flask can return it."""
        from tokentape.web.resumable.wsgi import ResumableWSGI

        return ResumableWSGI(self, id)

    def starlette(self, id: str) -> ResumableResponse:  # noqa: A002
        """Return a response of Starlette and FastAPI."""
        from tokentape.web.resumable.starlette import ResumableResponse

        return ResumableResponse(self, id)

    def django(self, request: HttpRequest, id: str) -> HttpResponseBase:  # noqa: A002
        """Return a response of Django, under WSGI and ASGI."""
        from tokentape.web.resumable.django import django_response

        return django_response(self, request, id)

    async def adjango(self, request: HttpRequest, id: str) -> HttpResponseBase:  # noqa: A002
        """`django` for async views."""
        from tokentape.web.resumable.django import adjango_response

        return await adjango_response(self, request, id)


async def _result(future: Future[ResultT]) -> ResultT:
    """Wait for a future. One that is done does not give way to other tasks, so its result is not lost if this one is
    cancelled. Raises ConfigurationError in an event loop other than asyncio's.
    """
    require_asyncio()
    return future.result() if future.done() else await asyncio.wrap_future(future)


async def _done_result(future: Future[ResultT]) -> ResultT:
    """`_result` for a thread without an event loop: it does not give way."""
    return future.result()


def _not_awaitable(stream: Any) -> Any:
    """Return a stream that is there. Raises ConfigurationError for what opens it only if it is awaited."""
    if inspect.iscoroutine(stream):
        stream.close()
    if inspect.isawaitable(stream):
        raise ConfigurationError("start() can't open a stream with a coroutine: use `await astart(...)`")
    return stream


def _is_function(stream: Any) -> bool:
    return callable(stream) and not hasattr(stream, "__iter__") and not hasattr(stream, "__aiter__")


def _checked_stream(stream: Any) -> Any:
    stream = checked_stream(stream)
    if hasattr(stream, "__aiter__"):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "an async stream is read in the event loop of the server, and none of asyncio runs here: use the "
                "provider's chat() rather than achat(), or start the response in an async view, with astart()"
            ) from None
    return stream


def _close(stream: Any) -> None:
    """Close a stream that is not read."""
    if _is_function(stream):
        return
    stream = getattr(stream, "normalized", stream)
    if hasattr(stream, "aclose"):
        with contextlib.suppress(RuntimeError):  # no event loop: nothing can read or close it
            asyncio.get_running_loop()
            keep_task(close_unread(stream))
    else:
        close_quietly(stream)
