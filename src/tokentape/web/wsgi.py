"""Streams as WSGI bodies, for Flask and other WSGI frameworks; for Django see `tokentape.web.django`.

body = wsgi_stream(stream, format="sse", environ=flask.request.environ)
return flask.Response(body, headers=body.headers)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from tokentape.clock import Clock
from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage
from tokentape.stream.thread_reader import ThreadReader
from tokentape.stream.timeouts import Timeouts
from tokentape.web.disconnect import reader_left
from tokentape.web.encoder import FrameEncoder, frame_encoder
from tokentape.web.frames import Format, check_format, error_report, response_headers
from tokentape.web.reading import checked_stream

log = logging.getLogger("tokentape.web")


class WSGIStream:
    """An iterable of frames; the server sends each at once. `headers` are those of the response."""

    def __init__(
        self,
        frames: Generator[bytes, None, None],
        close: Callable[[], None],
        headers: dict[str, str],
        has_left: Callable[[], bool],
    ) -> None:
        self.headers = headers
        self._frames = frames
        self._reader_left = has_left
        self._close = close
        self._closed = False

    def __iter__(self) -> WSGIStream:
        return self

    def __next__(self) -> bytes:
        frame = next(self._frames)
        if self._reader_left():
            self.close()
            raise StopIteration
        return frame

    def close(self) -> None:
        """Close the stream. The server calls this when all is sent and when the reader disconnects."""
        if not self._closed:
            self._closed = True
            self._frames.close()
            self._close()


def wsgi_stream(
    stream: Any,
    *,
    format: Format = "text",  # noqa: A002 - the parameter's own name
    heartbeat: float | None = None,
    headers: Mapping[str, str | None] | None = None,
    environ: Mapping[str, Any] | None = None,
    idle_timeout: float | None = None,
    clock: Clock | None = None,
) -> WSGIStream:
    """Create a body that sends each message of a stream at once (see `Format` for the formats).

    `stream` is a StreamedChatMessageIterator, or the response that has it. After `heartbeat` seconds without a
    message a heartbeat frame is sent, after `idle_timeout` seconds the stream fails; with either, the stream is read
    in a thread. Both follow `clock`, by default the machine's. A stream that fails ends with an error frame; plain
    text is also cut off, because a reader of plain text could not distinguish a failure from the end.

    `environ` is the request's. With it the stream is closed at the first frame after the reader has disconnected, if
    the server gives access to the connection (gunicorn, Werkzeug and Waitress do); without it, when the server fails
    to send, often one or two frames later.

    Raises ConfigurationError for an async stream, for what is not a stream, and for an unknown format.
    """
    timeouts = Timeouts(heartbeat, idle_timeout, clock)
    timeouts.check()
    check_format(format, heartbeat)
    stream = checked_stream(stream)
    if not hasattr(stream, "__iter__"):
        raise ConfigurationError(
            "an async stream can't be read under WSGI, where nothing runs it: use the provider's chat() rather than "
            "achat(), or serve the application by ASGI"
        )
    encoder = frame_encoder(format, stream)
    if not timeouts.bounded:
        messages = iter(stream)
        frames = _frames(messages, encoder, format)

        def close() -> None:
            for closable in (messages, stream):
                leave = getattr(closable, "close", None)
                if leave is not None:
                    leave()

    else:
        reader = ThreadReader(stream)
        frames = _frames(_with_heartbeat(reader, timeouts), encoder, format)
        close = reader.close
    return WSGIStream(frames, close, response_headers(format, headers), reader_left(environ or {}))


def _frames(
    messages: Iterable[ChatMessage | None],
    encoder: FrameEncoder,
    format: Format,  # noqa: A002
) -> Generator[bytes, None, None]:
    """Yield the frames of messages; a message None is a heartbeat."""
    try:
        for message in messages:
            frame = encoder.heartbeat() if message is None else b"".join(encoder.message(message))
            if frame:
                yield frame
    except Exception as error:
        log.warning("a streamed response broke off: %s", error_report(error))
        yield b"".join(encoder.error(error))
        if format == "text":
            raise
        return
    last = b"".join(encoder.end())
    if last:
        yield last


def _with_heartbeat(reader: ThreadReader[ChatMessage], timeouts: Timeouts) -> Iterator[ChatMessage | None]:
    while True:
        future = reader.read_next()
        for number, seconds in enumerate(timeouts.waits()):
            if number:
                yield None
            if timeouts.wait_done(future, seconds):
                break
        message = future.result()
        if message is None:
            return
        yield message
