"""urllib3 patch: urllib3 2, and with it requests and boto3, where a pool makes one request.

A recorded body is listened to where `http.client` reads the socket; a replayed response is real HTTP on a socket that
is none. So urllib3's own reading and its own errors are what the client gets, both times.
"""

from __future__ import annotations

import functools
import http.client
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, assert_never

from vcr.request import Request

from tokentape_harness.recording.clients.chunked_body import ChunkedBody, PlainBody
from tokentape_harness.recording.patches import Patch
from tokentape_harness.recording.playback import Playback
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.response_recorder import Recording

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_BODY = frozenset({204, 304})
_PIECE = 8192


def fits(package: Any) -> bool:
    """Whether this is urllib3 2, whose pools make the response that the client gets."""
    made = getattr(package.HTTPConnectionPool, "_make_request", None)
    return made is not None and "preload_content" in inspect.signature(made).parameters


def patches(recorder: Recorder, package: Any) -> list[Patch]:
    """The method of the pools that makes one request; those of requests and of botocore inherit it."""
    pool = package.HTTPConnectionPool
    return [(pool, "_make_request", _maker(recorder, package, inspect.unwrap(pool._make_request)))]


def _maker(recorder: Recorder, package: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def make_request(*args: Any, **kwargs: Any) -> Any:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        pool, preload = given["self"], given["preload_content"]
        request = Request(given["method"], _uri(pool, given["url"]), given["body"], dict(given["headers"] or {}))
        if given["body"] is not None and not isinstance(given["body"], str | bytes):
            given["body"] = request.body  # an iterator was read to look at it
        answer = recorder.answer(request)
        match answer:
            case None:
                return original(*call.args, **call.kwargs)
            case Playback():
                answer.wait_until(answer.start)
                response = _played(package, answer, given["method"])
                response.retries, response._connection, response._pool = given["retries"], given["response_conn"], pool
                response._request_url = given["url"]
                response.decode_content = given["decode_content"]
                response.enforce_content_length = given["enforce_content_length"]
            case Recording():
                given["preload_content"] = False
                try:
                    response = original(*call.args, **call.kwargs)
                except BaseException:
                    answer.abandon()
                    raise
                _listen(answer, response, given["method"])
            case _:
                assert_never(answer)
        if preload:
            response.read(decode_content=given["decode_content"], cache_content=True)
        return response

    return make_request


def _uri(pool: Any, url: str) -> str:
    if not url.startswith("/"):
        return url  # to a proxy
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    port = "" if pool.port in (None, _DEFAULT_PORTS.get(pool.scheme)) else f":{pool.port}"
    return f"{pool.scheme}://{host}{port}{url}"


def _listen(recording: Recording, response: Any, method: str) -> None:
    """Put an ear on the file that `http.client` reads the body from."""
    recording.head(response.status, response.reason or "", response.headers.iteritems())
    low = response._original_response
    if low is None or low.fp is None or method == "HEAD" or low.status in _NO_BODY:
        recording.complete()
        return
    body = ChunkedBody() if low.chunked else PlainBody(low.length)
    low.fp = _Listening(low.fp, recording, body)
    if body.ended:
        recording.complete()


class _Listening:
    """The file of a response: tells the recording what is read from it."""

    def __init__(self, file: Any, recording: Recording, body: PlainBody | ChunkedBody) -> None:
        self._file = file
        self._recording = recording
        self._body = body

    def read(self, size: int = -1) -> bytes:
        data = self._heard(self._file.read, size, asked=size != 0)
        if (size < 0 or len(data) < size) and self._recording.ending is None:
            self._end_of_connection()  # a buffered file gives less than was asked for at its end only
        return data

    def read1(self, size: int = -1) -> bytes:
        return self._heard(self._file.read1, size, asked=size != 0)

    def readline(self, size: int = -1) -> bytes:
        return self._heard(self._file.readline, size, asked=size != 0)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._leave()
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _heard(self, read: Callable[[int], bytes], size: int, *, asked: bool) -> bytes:
        try:
            data = read(size)
        except BaseException as error:
            self._rest()
            self._recording.failed(error)
            raise
        for piece in self._body.feed(data):
            self._recording.chunk(piece)
        if self._body.ended:
            self._recording.complete()
        elif asked and not data:
            self._end_of_connection()
        return data

    def _end_of_connection(self) -> None:
        if self._body.may_end:
            self._recording.complete()
        else:
            self._rest()
            self._recording.failed(http.client.IncompleteRead(b""))

    def _rest(self) -> None:
        """A chunk that was broken off did not reach the client, but it came."""
        if isinstance(self._body, ChunkedBody):
            self._recording.chunk(self._body.rest())

    def _leave(self) -> None:
        with suppress(Exception):
            while self._recording.wants_rest and self.read1(_PIECE):
                pass
        if self._recording.ending is None:
            self._recording.closed()


def _played(package: Any, playback: Playback, method: str) -> Any:
    socket = _PlayedSocket(playback, method)
    low = http.client.HTTPResponse(socket, method=method)  # type: ignore[arg-type]
    low.begin()
    return package.HTTPResponse(
        body=low,
        headers=package.HTTPHeaderDict(low.msg.items()),
        status=low.status,
        version=low.version,
        version_string="HTTP/1.1",
        reason=low.reason,
        preload_content=False,
        original_response=low,
        request_method=method,
    )


class _PlayedSocket:
    """A socket with nothing behind it but the recorded response."""

    def __init__(self, playback: Playback, method: str) -> None:
        self._playback = playback
        self._method = method

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The file that `http.client` reads the response from."""
        return io.BufferedReader(_PlayedFile(_sent(self._playback, self._method)))


class _PlayedFile(io.RawIOBase):
    """Gives each piece to one read, as a socket gives what has arrived."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            try:
                self._left = next(self._pieces)
            except StopIteration:
                return 0
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _sent(playback: Playback, method: str) -> Iterator[bytes]:
    """The response as it goes over the wire, chunked unless it had its length."""
    names = {name.lower() for name, _ in playback.headers}
    bodiless = method == "HEAD" or playback.status in _NO_BODY
    chunked = "content-length" not in names and not bodiless
    lines = [f"HTTP/1.1 {playback.status} {playback.message}"]
    lines += [f"{name}: {' '.join(value.splitlines())}" for name, value in playback.unframed_headers]
    if chunked:
        lines.append("transfer-encoding: chunked")
    yield "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    if bodiless:
        return
    for piece in playback.pieces:
        playback.wait_until(piece.at)
        yield b"%x\r\n%s\r\n" % (len(piece.data), piece.data) if chunked else piece.data
    playback.wait_until(playback.end_at)
    match playback.end:
        case "complete":
            if chunked:
                yield b"0\r\n\r\n"
        case "dropped":
            return
        case "timeout":
            raise TimeoutError("timed out")
        case _:
            raise playback.run_out()
