"""urllib3: records and replays where a pool of urllib3 2 sends one request; requests and boto3 use such pools.

A body is recorded where `http.client` reads the socket; a replay writes HTTP to a socket object that holds the
recording. So the client gets urllib3's own reads and errors both times.
"""

from __future__ import annotations

import functools
import http.client
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, assert_never

from tokentape_harness.recording.clients.chunked_body import ChunkedBody, PlainBody
from tokentape_harness.recording.patches import Patch, has_members
from tokentape_harness.recording.playback import Playback
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.recording.vcr_request import VcrRequest

VERSIONS = "2.0 to 2.8"
"""The versions that the tests have passed with."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_BODY = frozenset({204, 304})
_PIECE = 8192


def fits(package: Any) -> bool:
    """Whether this is urllib3 2, whose pools build the response that the client gets, with its private members."""
    pool = package.HTTPConnectionPool
    return (
        has_members(pool, "_make_request")
        and "preload_content" in inspect.signature(pool._make_request).parameters
        and has_members(package.HTTPResponse, "_connection", "_pool", "_original_response")
    )


def patches(recorder: Recorder, package: Any) -> list[Patch]:
    """The pools' method that sends one request; the pools of requests and botocore inherit it."""
    pool = package.HTTPConnectionPool
    return [(pool, "_make_request", _patched_make_request(recorder, package, inspect.unwrap(pool._make_request)))]


def _patched_make_request(recorder: Recorder, package: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def make_request(*args: Any, **kwargs: Any) -> Any:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        arguments = call.arguments
        pool, preload = arguments["self"], arguments["preload_content"]
        arguments["body"] = _simple_body(arguments["body"])
        request = VcrRequest(
            arguments["method"], _uri(pool, arguments["url"]), arguments["body"], dict(arguments["headers"] or {})
        )
        if arguments["body"] is not None and not isinstance(arguments["body"], str | bytes):
            arguments["body"] = request.body  # vcrpy has read the iterator
        answer = recorder.answer(request)
        match answer:
            case None:
                return original(*call.args, **call.kwargs)
            case Playback():
                answer.wait_until(answer.start)
                response = _replayed_response(package, answer, arguments["method"])
                response.retries, response._connection, response._pool = (
                    arguments["retries"],
                    arguments["response_conn"],
                    pool,
                )
                response._request_url = arguments["url"]
                response.decode_content = arguments["decode_content"]
                response.enforce_content_length = arguments["enforce_content_length"]
            case ResponseRecorder():
                arguments["preload_content"] = False
                try:
                    response = original(*call.args, **call.kwargs)
                except BaseException:
                    answer.abandon()
                    raise
                _record_body(answer, response, arguments["method"])
            case _:
                assert_never(answer)
        if preload:
            response.read(decode_content=arguments["decode_content"], cache_content=True)
        return response

    return make_request


def _simple_body(body: Any) -> Any:
    """A body that vcrpy can take: of a buffer its bytes, and of an iterable chunks of bytes; others as they are."""
    if body is None or isinstance(body, str | bytes) or hasattr(body, "read"):
        return body
    try:
        return bytes(memoryview(body))
    except TypeError:
        return iter([chunk.encode() if isinstance(chunk, str) else bytes(chunk) for chunk in body])


def _uri(pool: Any, url: str) -> str:
    if not url.startswith("/"):
        return url  # to a proxy
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    port = "" if pool.port in (None, _DEFAULT_PORTS.get(pool.scheme)) else f":{pool.port}"
    return f"{pool.scheme}://{host}{port}{url}"


def _record_body(recording: ResponseRecorder, response: Any, method: str) -> None:
    """Record what `http.client` reads of the body from its file."""
    recording.head(response.status, response.reason or "", response.headers.iteritems())
    low = response._original_response
    if low is None or low.fp is None or method == "HEAD" or low.status in _NO_BODY:
        recording.complete()
        return
    body = ChunkedBody() if low.chunked else PlainBody(low.length)
    low.fp = _RecordedFile(low.fp, recording, body)
    if body.ended:
        recording.complete()


class _RecordedFile:
    """The file of a response: what is read from it goes to the recording, too."""

    def __init__(self, file: Any, recording: ResponseRecorder, body: PlainBody | ChunkedBody) -> None:
        self._file = file
        self._recording = recording
        self._body = body

    def read(self, size: int = -1) -> bytes:
        data = self._read(self._file.read, size)
        if (size < 0 or len(data) < size) and self._recording.stream_end is None:
            self._end_of_connection()  # a buffered file returns less than `size` only at its end
        return data

    def read1(self, size: int = -1) -> bytes:
        return self._read(self._file.read1, size)

    def readline(self, size: int = -1) -> bytes:
        return self._read(self._file.readline, size)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._end_recording()
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            data = read(size)
        except BaseException as error:
            self._record_partial_chunk()
            self._recording.failed(error)
            raise
        for piece in self._body.feed(data):
            self._recording.chunk(piece)
        if self._body.ended:
            self._recording.complete()
        elif self._body.damaged:
            self._recording.failed(http.client.IncompleteRead(b""))
        elif size and not data:
            self._end_of_connection()
        return data

    def _end_of_connection(self) -> None:
        if self._body.may_end:
            self._recording.complete()
        else:
            self._record_partial_chunk()
            self._recording.failed(http.client.IncompleteRead(b""))

    def _record_partial_chunk(self) -> None:
        """Record the chunk that the end of the connection cut off, though the client never gets it."""
        if isinstance(self._body, ChunkedBody):
            self._recording.chunk(self._body.partial_chunk())

    def _end_recording(self) -> None:
        with suppress(Exception):
            while self._recording.wants_rest and self.read1(_PIECE):
                pass
        if self._recording.stream_end is None:
            self._recording.closed()


def _replayed_response(package: Any, playback: Playback, method: str) -> Any:
    socket = _ReplaySocket(playback, method)
    low = http.client.HTTPResponse(socket, method=method)  # type: ignore[arg-type]
    low.begin()
    response = package.HTTPResponse(
        body=low,
        headers=package.HTTPHeaderDict(low.msg.items()),
        status=low.status,
        version=low.version,
        reason=low.reason,
        preload_content=False,
        original_response=low,
        request_method=method,
    )
    response.version_string = "HTTP/1.1"  # urllib3 2.0 has no such argument
    return response


class _ReplaySocket:
    """A socket object that gives the recorded response."""

    def __init__(self, playback: Playback, method: str) -> None:
        self._playback = playback
        self._method = method

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The file that `http.client` reads the response from."""
        return io.BufferedReader(_ReplayFile(_http_bytes(self._playback, self._method)))


class _ReplayFile(io.RawIOBase):
    """Gives one piece to each read, as a socket does."""

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


def _http_bytes(playback: Playback, method: str) -> Iterator[bytes]:
    """The response as HTTP/1.1, in chunked coding unless it has a content-length."""
    names = {name.lower() for name, _ in playback.headers}
    has_no_body = method == "HEAD" or playback.status in _NO_BODY
    chunked = "content-length" not in names and not has_no_body
    lines = [f"HTTP/1.1 {playback.status} {playback.message}"]
    lines += [f"{name}: {' '.join(value.splitlines())}" for name, value in playback.unframed_headers]
    if chunked:
        lines.append("transfer-encoding: chunked")
    yield "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    if has_no_body:
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
