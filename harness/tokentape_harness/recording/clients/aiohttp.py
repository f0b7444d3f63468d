"""aiohttp patch: the innermost middleware of every request, so that aiohttp follows redirects by itself.

A body is read through a stream reader that draws on the real one, or on the recording.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from vcr.request import Request

from tokentape_harness.recording.patches import Patch
from tokentape_harness.recording.playback import Playback
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.response_recorder import Recording

_HIGH_WATER = 2**16
_FAULTS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        TimeoutError,
        aiohttp.SocketTimeoutError,
        aiohttp.ServerTimeoutError,
        aiohttp.ClientPayloadError,
        aiohttp.ClientConnectionError,
        aiohttp.ClientOSError,
        aiohttp.ServerDisconnectedError,
    )
}


def fits(package: Any) -> bool:
    """Whether this version has middlewares (3.12 and later)."""
    return "middlewares" in inspect.signature(package.ClientSession._request).parameters


def patches(recorder: Recorder, package: Any) -> list[Patch]:
    """The session's method that makes every request."""
    session = package.ClientSession
    return [(session, "_request", _requester(recorder, inspect.unwrap(session._request)))]


def _requester(recorder: Recorder, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def request(session: Any, *args: Any, **kwargs: Any) -> Any:
        given = kwargs.get("middlewares")
        outer = session._middlewares if given is None else given
        kwargs["middlewares"] = (*outer, functools.partial(_answered, recorder, session))
        return await original(session, *args, **kwargs)

    return request


async def _answered(recorder: Recorder, session: Any, request: Any, handler: Callable[..., Any]) -> Any:
    answer = recorder.answer(Request(request.method, str(request.url), await _body(request), dict(request.headers)))
    match answer:
        case None:
            return await handler(request)
        case Playback():
            await answer.wait_until_async(answer.start)
            return _played(answer, session, request)
        case Recording():
            try:
                response = await handler(request)
            except BaseException:
                answer.abandon()
                raise
            try:
                await _listen(answer, response, decoded=session._auto_decompress)
            except BaseException as error:
                answer.failed(error)
                response.close()
                raise
            return response


async def _body(request: Any) -> bytes:
    """The bytes that are to be sent. What can be read once only is read here, and sent from what was read."""
    body = request.body
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    # Reading a payload keeps it readable: that is how aiohttp itself sends it again after a redirect.
    return bytes(await body.as_bytes())


class _DrawnReader(aiohttp.StreamReader):
    """aiohttp's own stream reader, fed when somebody reads from it. `draw` gives a piece, or nothing at the end."""

    def __init__(self, draw: Callable[[], Awaitable[bytes]], left: Callable[[], None]) -> None:
        super().__init__(_no_protocol(), _HIGH_WATER, loop=asyncio.get_running_loop())
        self._draw = draw
        self._left = left
        self.begin_http_chunk_receiving()

    async def _wait(self, func_name: str) -> None:
        """Every reading method calls this when there is nothing to read; one that was cancelled can be called again."""
        del func_name
        try:
            piece = await self._draw()
        except Exception as error:
            super().set_exception(error)
            raise
        if piece:
            self.feed_data(piece)
            self.end_http_chunk_receiving()
        else:
            self.feed_eof()

    async def wait_eof(self) -> None:
        """Read on to the end."""
        while not self.is_eof():
            await self._wait("wait_eof")

    def set_exception(self, exc: Any, exc_cause: Any = None) -> None:
        """The response was closed or released before its end."""
        self._left()
        super().set_exception(exc) if exc_cause is None else super().set_exception(exc, exc_cause)


def _no_protocol() -> Any:
    """The connection under a reader that nothing is pushed into."""

    def nothing(**_: Any) -> None:
        """There is nothing to pause."""

    return SimpleNamespace(_reading_paused=False, connected=True, pause_reading=nothing, resume_reading=nothing)


async def _listen(recording: Recording, response: Any, *, decoded: bool) -> None:
    recording.head(response.status, response.reason or "", _pairs(response.headers), decoded=decoded)
    real = response.content
    if real.at_eof():
        recording.complete()
        return
    heard = _Heard(recording, real)
    # What closes a response can't wait for the rest of it.
    await heard.hear_small_error()
    response.content = _DrawnReader(heard.draw, heard.leave)


class _Heard:
    """The real body, with the recording told what is read of it."""

    def __init__(self, recording: Recording, real: aiohttp.StreamReader) -> None:
        self._recording = recording
        self._real = real
        self._cancelled: BaseException | None = None
        self._ahead: deque[bytes] = deque()

    async def hear_small_error(self) -> None:
        """Read ahead what the client may not want; it gets it when it reads, and then what raised here."""
        with suppress(Exception):
            while self._recording.wants_rest and (piece := await self._heard()):
                self._ahead.append(piece)

    async def draw(self) -> bytes:
        return self._ahead.popleft() if self._ahead else await self._heard()

    async def _heard(self) -> bytes:
        try:
            piece = await self._real.readany()
        except Exception as error:
            self._recording.failed(error)
            raise
        except BaseException as error:
            self._cancelled = error  # the end only if the client reads no more
            raise
        self._cancelled = None
        if piece:
            self._recording.chunk(piece)
        else:
            self._recording.complete()
        return piece

    def leave(self) -> None:
        if self._real.exception() is None:
            self._recording.chunk(self._real.read_nowait())  # it had come before the client left
        if self._real.at_eof():
            self._recording.complete()
        elif self._cancelled is not None:
            self._recording.failed(self._cancelled)
        else:
            self._recording.closed()
        if self._real.exception() is None:
            self._real.set_exception(aiohttp.ClientConnectionError("Connection closed"))


def _played(playback: Playback, session: Any, request: Any) -> aiohttp.ClientResponse:
    given: dict[str, Any] = {
        "writer": None,
        "continue100": None,
        "timer": None,
        "request_info": request.request_info,
        "traces": [],
        "loop": asyncio.get_running_loop(),
        "session": session,
        "stream_writer": SimpleNamespace(output_size=0),
    }
    known = inspect.signature(session._response_class.__init__).parameters
    response: aiohttp.ClientResponse = session._response_class(
        request.method, request.url, **{name: value for name, value in given.items() if name in known}
    )
    headers = CIMultiDict(playback.unframed_headers)
    response.status, response.reason = playback.status, playback.message
    response.version = aiohttp.HttpVersion11
    response._headers = CIMultiDictProxy(headers)
    response._raw_headers = tuple((name.encode(), value.encode()) for name, value in playback.unframed_headers)
    response._raw_cookie_headers = tuple(headers.getall("set-cookie", ())) or None
    response._closed = False
    response.content = _DrawnReader(_Played(playback).draw, lambda: None)
    response.content.on_eof(response._response_eof)
    return response


class _Played:
    """The recorded body, piece by piece."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._position = 0

    async def draw(self) -> bytes:
        playback = self._playback
        if self._position < len(playback.pieces):
            piece = playback.pieces[self._position]
            await playback.wait_until_async(piece.at)
            self._position += 1
            return piece.data
        await playback.wait_until_async(playback.end_at)
        match playback.end:
            case "complete":
                return b""
            case "dropped" | "timeout":
                raise _fault(playback)
            case _:
                raise await playback.run_out_async()


def _fault(playback: Playback) -> Exception:
    fault = playback.fault
    if fault is not None and fault.type in _FAULTS:
        return _FAULTS[fault.type](fault.message)
    if playback.end == "timeout":
        return aiohttp.SocketTimeoutError("Timeout on reading data from socket")
    return aiohttp.ClientPayloadError("Response payload is not completed")


def _pairs(headers: Any) -> list[tuple[str, str]]:
    return [(str(name), value) for name, value in headers.items()]
