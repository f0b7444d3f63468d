"""Transports for httpx2 and httpx, sync and async, that return each part as soon as the application sends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from tokentape_fake_provider.app import App, create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.errors import ServerStateError, StepError
from tokentape_fake_provider.event_loops.driven_loop import DrivenLoop
from tokentape_fake_provider.event_loops.futures import running_loop
from tokentape_fake_provider.hosting.in_process_exchange import BrokenError, Exchange, Head, Problem, scope_of
from tokentape_fake_provider.timing.clock import ControlledClock, MonotonicClock

_EXCEPTIONS: Final[dict[Problem, str]] = {
    "dropped": "RemoteProtocolError",
    "reset": "ReadError",
    "read_timeout": "ReadTimeout",
}

# The time in s that the application has to notice that its client left.
_LEAVE_S: Final = 5.0


def sync_transport(package: ModuleType, config: AppConfig, loop: DrivenLoop) -> Any:
    """Create a `BaseTransport` of this package; the application runs in `loop` while the client waits."""
    return _sync_class(package)(_own_clock(config), loop)


def async_transport(package: ModuleType, config: AppConfig) -> Any:
    """Create an `AsyncBaseTransport` of this package; the application runs in the client's event loop (asyncio)."""
    return _async_class(package)(config)


def _own_clock(config: AppConfig) -> App:
    """Create the application, with its own clock for one event loop unless the clock is controlled."""
    if isinstance(config.clock, MonotonicClock):
        return create_app(config.with_clock(MonotonicClock()))
    return create_app(config)


def _controlled(app: App, path: str) -> ControlledClock | None:
    clock = app.clock_at(path)
    return clock if isinstance(clock, ControlledClock) else None


def _timeout(request: Any) -> float | None:
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return seconds


def _translated(package: Any, error: BrokenError, request: Any) -> Exception:
    exception: Exception = getattr(package, _EXCEPTIONS[error.problem])(str(error), request=request)
    return exception


@cache
def _sync_class(package: Any) -> Any:
    class Stream(package.SyncByteStream):  # type: ignore[misc]
        def __init__(self, loop: DrivenLoop, exchange: Exchange, request: Any) -> None:
            self._loop = loop
            self._exchange = exchange
            self._request = request

        def __iter__(self) -> Iterator[bytes]:
            while isinstance(part := self.next(), bytes):
                yield part

        def next(self) -> Head | bytes | None:
            part: Future[Head | bytes | None] = Future()
            self._loop.call_soon_threadsafe(self._exchange.request_part, part, _timeout(self._request))
            self._loop.drive(part)
            try:
                return part.result()
            except BrokenError as error:
                raise _translated(package, error, self._request) from None

        def close(self) -> None:
            if self._exchange.ended.done() or self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(self._exchange.leave)
            # Within another event loop (during a garbage collection, say) the application notices it later.
            with suppress(StepError, TimeoutError):
                self._loop.drive(self._exchange.ended, _LEAVE_S)

    class InProcessTransport(package.BaseTransport):  # type: ignore[misc]
        def __init__(self, app: App, loop: DrivenLoop) -> None:
            self._app = app
            self._loop = loop

        def handle_request(self, request: Any) -> Any:
            body = request.read()
            exchange: Future[Exchange] = Future()

            def start() -> None:
                clock = _controlled(self._app, request.url.path)
                exchange.set_result(Exchange(self._app, scope_of(request), body, clock))

            self._loop.call_soon_threadsafe(start)
            self._loop.drive(exchange)
            stream = Stream(self._loop, exchange.result(), request)
            try:
                head = stream.next()
            except BaseException:
                stream.close()
                raise
            return _response(package, head, stream)

    return InProcessTransport


@cache
def _async_class(package: Any) -> Any:
    class Stream(package.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, exchange: Exchange, request: Any) -> None:
            self._exchange = exchange
            self._request = request

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while isinstance(part := await self.next(), bytes):
                yield part

        async def next(self) -> Head | bytes | None:
            part: Future[Head | bytes | None] = Future()
            self._exchange.request_part(part, _timeout(self._request))
            try:
                return part.result() if part.done() else await asyncio.wrap_future(part)
            except BrokenError as error:
                raise _translated(package, error, self._request) from None

        async def aclose(self) -> None:
            if not self._exchange.ended.done():
                self._exchange.leave()
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(self._exchange.ended), _LEAVE_S)

    class AsyncInProcessTransport(package.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self, config: AppConfig) -> None:
            self._config = config
            self._apps: WeakKeyDictionary[asyncio.AbstractEventLoop, App] = WeakKeyDictionary()

        async def handle_async_request(self, request: Any) -> Any:
            body = await request.aread()
            loop = running_loop()
            if loop is None:
                raise ServerStateError(
                    "async_transport() runs the provider in the client's event loop, which must be asyncio's but is "
                    "another one (trio's): use a FakeProviderServer (the fixture `fake_provider`)"
                )
            app = self._apps.get(loop)
            if app is None:
                app = self._apps[loop] = _own_clock(self._config)
            stream = Stream(Exchange(app, scope_of(request), body, _controlled(app, request.url.path)), request)
            try:
                head = await stream.next()
            except BaseException:
                await stream.aclose()
                raise
            return _response(package, head, stream)

    return AsyncInProcessTransport


def _response(package: Any, head: Head | bytes | None, stream: Any) -> Any:
    assert isinstance(head, Head)
    return package.Response(head.status, headers=head.headers, stream=stream, extensions={"http_version": b"HTTP/1.1"})
