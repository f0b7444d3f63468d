"""aiohttp: records and replays in the innermost middleware of each request, below aiohttp's own redirects.

The client reads the body through a stream reader of ours, which takes it from the real reader or from the recording.
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

from tokentape_harness.recording.patches import Patch, has_members
from tokentape_harness.recording.playback import Playback
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.recording.vcr_request import VcrRequest

VERSIONS = "3.12 to 3.14"
"""The versions that the tests have passed with."""
_RESPONSE_MEMBERS = ("_headers", "_raw_headers", "_raw_cookie_headers", "_closed", "_response_eof")
_HIGH_WATER = 2**16
_ERRORS: dict[str, type[Exception]] = {
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
    """Whether this version has middlewares (3.12 and later) and the private members that are used here."""
    session = package.ClientSession
    return (
        has_members(session, "_request", "_middlewares", "_auto_decompress", "_response_class")
        and "middlewares" in inspect.signature(session._request).parameters
        and has_members(package.ClientResponse, *_RESPONSE_MEMBERS)
        and has_members(package.StreamReader, "_wait", "feed_data", "begin_http_chunk_receiving")
    )


def patches(recorder: Recorder, package: Any) -> list[Patch]:
    """The session's method that sends every request."""
    session = package.ClientSession
    return [(session, "_request", _patched_request(recorder, inspect.unwrap(session._request)))]


def _patched_request(recorder: Recorder, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def request(session: Any, *args: Any, **kwargs: Any) -> Any:
        middlewares = kwargs.get("middlewares")
        outer = session._middlewares if middlewares is None else middlewares
        kwargs["middlewares"] = (*outer, functools.partial(_middleware, recorder, session))
        return await original(session, *args, **kwargs)

    return request


async def _middleware(recorder: Recorder, session: Any, request: Any, handler: Callable[..., Any]) -> Any:
    answer = recorder.answer(VcrRequest(request.method, str(request.url), await _body(request), dict(request.headers)))
    match answer:
        case None:
            return await handler(request)
        case Playback():
            await answer.wait_until_async(answer.start)
            return _replayed_response(answer, session, request)
        case ResponseRecorder():
            try:
                response = await handler(request)
            except BaseException:
                answer.abandon()
                raise
            try:
                await _record_body(answer, response, decoded=session._auto_decompress)
            except BaseException as error:
                answer.failed(error)
                response.close()
                raise
            return response


async def _body(request: Any) -> bytes:
    """The bytes of the request body. aiohttp sends them again from its payload, as it does after a redirect."""
    body = request.body
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    return bytes(await body.as_bytes())


class _PulledReader(aiohttp.StreamReader):
    """A stream reader that calls `read_piece` when the client reads; an empty piece is the end.

    `on_close` is called when the client closes or releases the response before its end.
    """

    def __init__(self, read_piece: Callable[[], Awaitable[bytes]], on_close: Callable[[], None]) -> None:
        super().__init__(_no_protocol(), _HIGH_WATER, loop=asyncio.get_running_loop())
        self._read_piece = read_piece
        self._on_close = on_close
        self.begin_http_chunk_receiving()

    async def _wait(self, func_name: str) -> None:
        """aiohttp's reading methods call this when the buffer is empty; after a cancellation they may call it again."""
        del func_name
        try:
            piece = await self._read_piece()
        except Exception as error:
            super().set_exception(error)
            raise
        if piece:
            self.feed_data(piece)
            self.end_http_chunk_receiving()
        else:
            self.feed_eof()

    async def wait_eof(self) -> None:
        """Read to the end."""
        while not self.is_eof():
            await self._wait("wait_eof")

    def set_exception(self, exc: Any, exc_cause: Any = None) -> None:
        """The response was closed or released before its end."""
        self._on_close()
        super().set_exception(exc) if exc_cause is None else super().set_exception(exc, exc_cause)


def _no_protocol() -> Any:
    """A connection that can't be paused, since no socket feeds the reader."""

    def nothing(**_: Any) -> None:
        """Do nothing."""

    return SimpleNamespace(_reading_paused=False, connected=True, pause_reading=nothing, resume_reading=nothing)


async def _record_body(recording: ResponseRecorder, response: Any, *, decoded: bool) -> None:
    recording.head(response.status, response.reason or "", _pairs(response.headers), decoded=decoded)
    real = response.content
    if real.at_eof():
        recording.complete()
        return
    body = _RecordedBody(recording, real)
    # `close` is not a coroutine: it can't wait for the rest of an error body.
    await body.read_small_error()
    response.content = _PulledReader(body.read_piece, body.close)


class _RecordedBody:
    """The real body: each piece that is read goes to the recording, too."""

    def __init__(self, recording: ResponseRecorder, real: aiohttp.StreamReader) -> None:
        self._recording = recording
        self._real = real
        self._cancelled: BaseException | None = None
        self._ahead: deque[bytes] = deque()

    async def read_small_error(self) -> None:
        """Read a small error body ahead of the client, which may never read it; a failure is raised when it does."""
        with suppress(Exception):
            while self._recording.wants_rest and (piece := await self._read_real()):
                self._ahead.append(piece)

    async def read_piece(self) -> bytes:
        return self._ahead.popleft() if self._ahead else await self._read_real()

    async def _read_real(self) -> bytes:
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

    def close(self) -> None:
        if self._real.exception() is None:
            self._recording.chunk(self._real.read_nowait())  # it arrived before the client closed
        if self._real.at_eof():
            self._recording.complete()
        elif self._cancelled is not None:
            self._recording.failed(self._cancelled)
        else:
            self._recording.closed()
        if self._real.exception() is None:
            self._real.set_exception(aiohttp.ClientConnectionError("Connection closed"))


def _replayed_response(playback: Playback, session: Any, request: Any) -> aiohttp.ClientResponse:
    arguments: dict[str, Any] = {
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
        request.method, request.url, **{name: value for name, value in arguments.items() if name in known}
    )
    headers = CIMultiDict(playback.unframed_headers)
    response.status, response.reason = playback.status, playback.message
    response.version = aiohttp.HttpVersion11
    response._headers = CIMultiDictProxy(headers)
    response._raw_headers = tuple((name.encode(), value.encode()) for name, value in playback.unframed_headers)
    response._raw_cookie_headers = tuple(headers.getall("set-cookie", ())) or None
    response._closed = False
    response.content = _PulledReader(_ReplayedBody(playback).read_piece, lambda: None)
    response.content.on_eof(response._response_eof)
    return response


class _ReplayedBody:
    """The recorded body, piece by piece."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._position = 0

    async def read_piece(self) -> bytes:
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
                raise _recorded_error(playback)
            case _:
                raise await playback.run_out_async()


def _recorded_error(playback: Playback) -> Exception:
    error = playback.error
    if error is not None and error.type in _ERRORS:
        return _ERRORS[error.type](error.message)
    if playback.end == "timeout":
        return aiohttp.SocketTimeoutError("Timeout on reading data from socket")
    return aiohttp.ClientPayloadError("Response payload is not completed")


def _pairs(headers: Any) -> list[tuple[str, str]]:
    return [(str(name), value) for name, value in headers.items()]
