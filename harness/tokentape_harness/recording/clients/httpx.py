"""httpx: records and replays on the transports of httpx and httpx2, sync and async."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

from tokentape_harness.recording.patches import Patch
from tokentape_harness.recording.playback import Playback
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.recording.vcr_request import VcrRequest

VERSIONS = "0.27 to 0.28, or httpx2 2.10 to 2.16"
"""The versions that the tests have passed with."""
_SYNC = ("HTTPTransport", "WSGITransport", "MockTransport")
_ASYNC = ("AsyncHTTPTransport", "ASGITransport", "MockTransport")

_originals: dict[tuple[str, str, str], Callable[..., Any]] = {}


def fits(package: Any) -> bool:
    """Whether this version has the transports."""
    return hasattr(package, "HTTPTransport") and hasattr(package, "AsyncHTTPTransport")


def patches(recorder: Recorder, package: Any) -> list[Patch]:
    """The transports' methods that handle a request, for `httpx` or `httpx2`."""
    found = []
    for name in _SYNC:
        transport = getattr(package, name)
        original = _original(package, transport, "handle_request")
        found.append((transport, "handle_request", _handler(recorder, package, original)))
    for name in _ASYNC:
        transport = getattr(package, name)
        original = _original(package, transport, "handle_async_request")
        found.append((transport, "handle_async_request", _async_handler(recorder, package, original)))
    return found


def _original(package: Any, transport: Any, method: str) -> Callable[..., Any]:
    """The transport's own method, below the patches of an outer cassette: the inner cassette alone records."""
    key = (package.__name__, transport.__name__, method)
    if key not in _originals:
        found = getattr(transport, method)
        while hasattr(found, "__wrapped__"):
            found = found.__wrapped__
        _originals[key] = found
    return _originals[key]


def _handler(recorder: Recorder, package: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def handle_request(transport: Any, request: Any) -> Any:
        body = b"".join(request.stream)
        request.stream = package.ByteStream(body)
        answer = recorder.answer(_vcr_request(request, body))
        match answer:
            case None:
                return original(transport, request)
            case Playback():
                answer.wait_until(answer.start)
                return _replayed_response(
                    package, answer, _sync_stream(package)(_replay(package, answer), lambda: None)
                )
            case ResponseRecorder():
                try:
                    response = original(transport, request)
                except BaseException:
                    answer.abandon()
                    raise
                if _begin(answer, response):
                    real = response.stream
                    chunks = _record(answer, real)
                    end = functools.partial(_end, answer, real, chunks)
                    response.stream = _sync_stream(package)(chunks, end)
                return response

    return handle_request


def _async_handler(recorder: Recorder, package: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        body = b"".join([part async for part in request.stream])
        request.stream = package.ByteStream(body)
        answer = recorder.answer(_vcr_request(request, body))
        match answer:
            case None:
                return await original(transport, request)
            case Playback():
                await answer.wait_until_async(answer.start)
                pieces = _replay_async(package, answer)
                stream = _async_stream(package)(pieces, functools.partial(_close, pieces))
                return _replayed_response(package, answer, stream)
            case ResponseRecorder():
                try:
                    response = await original(transport, request)
                except BaseException:
                    answer.abandon()
                    raise
                if _begin(answer, response):
                    real = response.stream
                    chunks = _record_async(answer, real)
                    end = functools.partial(_end_async, answer, real, chunks)
                    response.stream = _async_stream(package)(chunks, end)
                return response

    return handle_async_request


def _vcr_request(request: Any, body: bytes) -> VcrRequest:
    return VcrRequest(request.method, str(request.url), body, dict(request.headers.multi_items()))


def _begin(recording: ResponseRecorder, response: Any) -> bool:
    """Record the head, and the body if the response (of a mock) has it already; return whether the body is to come."""
    whole = response.is_closed
    recording.head(
        response.status_code,
        response.reason_phrase,
        response.headers.multi_items(),
        decoded=whole,
        http_version=response.http_version,
    )
    if whole:
        recording.chunk(response.content)
        recording.complete()
    return not whole


def _record(recording: ResponseRecorder, real: Any) -> Iterator[bytes]:
    try:
        for chunk in real:
            recording.chunk(chunk)
            yield chunk
    except GeneratorExit:
        raise  # the client closes the stream next
    except BaseException as error:
        recording.failed(error)
        raise
    recording.complete()


async def _record_async(recording: ResponseRecorder, real: Any) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in real:
            recording.chunk(chunk)
            yield chunk
    except GeneratorExit:
        raise
    except BaseException as error:
        recording.failed(error)
        raise
    recording.complete()


def _end(recording: ResponseRecorder, real: Any, chunks: Iterator[bytes]) -> None:
    with suppress(Exception):
        while recording.wants_rest:
            next(chunks)
    recording.closed()
    real.close()


async def _end_async(recording: ResponseRecorder, real: Any, chunks: AsyncGenerator[bytes, None]) -> None:
    with suppress(Exception):
        while recording.wants_rest:
            await anext(chunks)
    recording.closed()
    await _close(chunks)
    await real.aclose()


async def _close(chunks: AsyncGenerator[bytes, None]) -> None:
    """Close the generator now, and not whenever it is collected; one that is running ends with its reader."""
    with suppress(RuntimeError):
        await chunks.aclose()


def _replayed_response(package: Any, playback: Playback, stream: Any) -> Any:
    extensions = {"http_version": playback.http_version.encode("ascii", "replace")}
    if playback.has_message:
        extensions["reason_phrase"] = playback.message.encode("ascii", "replace")
    headers = [
        (name.encode("ascii", "replace"), value.encode("latin-1", "replace")) for name, value in playback.headers
    ]
    return package.Response(playback.status, headers=headers, stream=stream, extensions=extensions)


def _replay(package: Any, playback: Playback) -> Iterator[bytes]:
    for piece in playback.pieces:
        playback.wait_until(piece.at)
        yield piece.data
    playback.wait_until(playback.end_at)
    if playback.end in ("client_closed", "open_at_exit"):
        raise playback.run_out()
    _raise_recorded(package, playback)


async def _replay_async(package: Any, playback: Playback) -> AsyncGenerator[bytes, None]:
    for piece in playback.pieces:
        await playback.wait_until_async(piece.at)
        yield piece.data
    await playback.wait_until_async(playback.end_at)
    if playback.end in ("client_closed", "open_at_exit"):
        raise await playback.run_out_async()
    _raise_recorded(package, playback)


def _raise_recorded(package: Any, playback: Playback) -> None:
    if playback.end == "complete":
        return
    error = playback.error
    kind = getattr(package, error.type, None) if error else None
    if not (isinstance(kind, type) and issubclass(kind, package.TransportError)):
        # Another client recorded it.
        if playback.end == "timeout":
            raise package.ReadTimeout("The read operation timed out")
        raise package.RemoteProtocolError("peer closed connection without sending complete message body")
    raise kind(error.message if error else "")


@functools.cache
def _sync_stream(package: Any) -> Any:
    class Stream(package.SyncByteStream):  # type: ignore[misc]
        """A response body, and the call that closes it."""

        def __init__(self, chunks: Iterator[bytes], close: Callable[[], None]) -> None:
            self._chunks = chunks
            self._close = close

        def __iter__(self) -> Iterator[bytes]:
            return self._chunks

        def close(self) -> None:
            self._close()

    return Stream


@functools.cache
def _async_stream(package: Any) -> Any:
    class Stream(package.AsyncByteStream):  # type: ignore[misc]
        """A response body, and the call that closes it."""

        def __init__(self, chunks: AsyncIterator[bytes], close: Callable[[], Any]) -> None:
            self._chunks = chunks
            self._close = close

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._chunks

        async def aclose(self) -> None:
            await self._close()

    return Stream
