"""Streams as WSGI bodies, for Flask and whatever else speaks it; `tokentape.web.django` is the same for Django.

body = wsgi_stream(stream, format="sse", environ=flask.request.environ)
return flask.Response(body, headers=body.headers)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from tokentape.clock import Clock
from tokentape.message import ChatMessage
from tokentape.web.disconnect import reader_left
from tokentape.web.frames import (
    Format,
    check_format,
    end_frame,
    error_frame,
    heartbeat_frame,
    message_frame,
    output_of,
    response_headers,
)
from tokentape.web.thread_reader import Puller
from tokentape.web.timeouts import Silence

log = logging.getLogger("tokentape.web")


class WSGIStream:
    """An iterable of frames: the server sends each as it comes. `headers` are the response's."""

    def __init__(
        self,
        frames: Generator[bytes, None, None],
        close: Callable[[], None],
        headers: dict[str, str],
        left: Callable[[], bool],
    ) -> None:
        self.headers = headers
        self._frames = frames
        self._left = left
        self._close = close
        self._closed = False

    def __iter__(self) -> WSGIStream:
        return self

    def __next__(self) -> bytes:
        frame = next(self._frames)
        if self._left():
            self.close()
            raise StopIteration
        return frame

    def close(self) -> None:
        """Close the stream; the server calls it when all is sent, and when the reader leaves."""
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
    """A body that sends each message of a stream at once (see `tokentape.web.frames` for the formats).

    `stream` is a StreamedChatMessageIterator, or the response that has it. `heartbeat` is after how many
    seconds of silence a frame says that the connection lives, `idle_timeout` after how many the stream has failed;
    with either the stream is read in a thread. Both are in the time of `clock`, where it is not the machine's. A
    stream that fails ends with an error frame; plain text is then cut off as well, as nothing else in it tells an
    end from a failure.

    `environ` is the request's. With it the stream is closed at the first frame after the reader has left, where
    the server tells (see `tokentape.web.disconnect`); without it, when the server fails to send, often one or two
    frames later.
    """
    silence = Silence(heartbeat, idle_timeout, clock)
    silence.check()
    check_format(format, heartbeat)
    stream = getattr(stream, "normalized", stream)
    if not silence.bounded:
        messages = iter(stream)
        frames = _frames(messages, stream, format)

        def close() -> None:
            for leaving in (messages, stream):
                leave = getattr(leaving, "close", None)
                if leave is not None:
                    leave()

    else:
        puller = Puller(stream)
        frames = _frames(_with_heartbeat(puller, silence), stream, format)
        close = puller.close
    return WSGIStream(frames, close, response_headers(format, headers), reader_left(environ or {}))


def _frames(
    messages: Iterable[ChatMessage | None],
    stream: object,
    format: Format,  # noqa: A002
) -> Generator[bytes, None, None]:
    """The frames of messages; None among them is a heartbeat."""
    try:
        for message in messages:
            frame = heartbeat_frame(format) if message is None else message_frame(message, format)
            if frame:
                yield frame
    except Exception as error:
        log.warning("a streamed response broke off: %s", type(error).__name__)
        yield error_frame(error, format)
        if format == "text":
            raise
        return
    last = end_frame(output_of(stream), format)
    if last:
        yield last


def _with_heartbeat(puller: Puller, silence: Silence) -> Iterator[ChatMessage | None]:
    while True:
        pulled = puller.pull()
        for number, seconds in enumerate(silence.waits()):
            if number:
                yield None
            if silence.over_within(pulled, seconds):
                break
        message = pulled.result()
        if message is None:
            return
        yield message
