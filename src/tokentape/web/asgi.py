"""Streams as ASGI responses, without a framework; `tokentape.web.starlette` wraps this in a Response.

await ASGIStream(stream, format="sse")(scope, receive, send)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

from tokentape.clock import Clock
from tokentape.stream.timeouts import Timeouts
from tokentape.web.encoder import frame_encoder
from tokentape.web.frames import Format, check_format, error_report, response_headers
from tokentape.web.reading import async_messages, checked_stream, close_unread, require_asyncio, with_heartbeat

log = logging.getLogger("tokentape.web")

ASGIMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[ASGIMessage]]
Send: TypeAlias = Callable[[ASGIMessage], Awaitable[None]]


class ASGIStream:
    """An ASGI application that responds with a stream, sending each message as it arrives.

    `stream` is an async or a plain iterator of messages, or the response that has it; a plain one is read in its own
    thread. After `heartbeat` seconds without a message a heartbeat frame is sent, after `idle_timeout` seconds the
    stream fails; both follow `clock`, by default the machine's. When the reader disconnects, the stream is closed. A
    stream that fails ends with an error frame; plain text is also cut off, because a reader of plain text could not
    distinguish a failure from the end.
    """

    def __init__(
        self,
        stream: Any,
        *,
        format: Format = "text",  # noqa: A002 - the parameter's own name
        heartbeat: float | None = None,
        headers: Mapping[str, str | None] | None = None,
        status_code: int = 200,
        idle_timeout: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._timeouts = Timeouts(heartbeat, idle_timeout, clock)
        self._timeouts.check()
        check_format(format, heartbeat)
        self.stream = checked_stream(stream)
        self.format = format
        self.heartbeat = heartbeat
        self.headers = response_headers(format, headers)
        self.raw_headers = encoded_headers(self.headers.items())
        self.status_code = status_code
        self._started = False

    async def __call__(self, scope: ASGIMessage, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response; return when all is sent, or the reader has disconnected and the stream is closed.

        Raises ConfigurationError in an event loop other than asyncio's.
        """
        require_asyncio()
        try:
            await send_frames(self.frames(), self.status_code, self.raw_headers, receive, send)
        finally:
            if not self._started:  # the reader disconnected before anything was sent
                await close_unread(self.stream)

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield the frames alone, for a framework that takes an async iterator of bytes (Django under ASGI)."""
        require_asyncio()
        self._started = True
        encoder = frame_encoder(self.format, self.stream)
        messages = async_messages(self.stream)
        if self._timeouts.bounded:
            messages = with_heartbeat(messages, self._timeouts)
        try:
            async with contextlib.aclosing(messages):
                async for message in messages:
                    frame = encoder.heartbeat() if message is None else b"".join(encoder.message(message))
                    if frame:
                        yield frame
        except Exception as error:
            log.warning("a streamed response broke off: %s", error_report(error))
            yield b"".join(encoder.error(error))
            if self.format == "text":
                raise
            return
        last = b"".join(encoder.end())
        if last:
            yield last


def encoded_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI has them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def send_frames(
    frames: AsyncGenerator[bytes, None],
    status: int,
    headers: list[tuple[bytes, bytes]],
    receive: Receive,
    send: Send,
) -> None:
    """Send a response; return when all is sent, or the reader has disconnected and the frames are closed."""
    sending = asyncio.ensure_future(_send(frames, status, headers, send))
    disconnect = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait((sending, disconnect), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (disconnect, sending):
            if not task.done():
                task.cancel()
        # Wait until the stream is closed; errors that it raises on cancellation are ignored.
        await asyncio.gather(sending, disconnect, return_exceptions=True)
    if not sending.cancelled():
        sending.result()


async def _send(
    frames: AsyncGenerator[bytes, None], status: int, headers: list[tuple[bytes, bytes]], send: Send
) -> None:
    async with contextlib.aclosing(frames):
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers})
        except OSError:  # how servers of ASGI 2.4 report that the reader has disconnected
            return
        async for frame in frames:
            try:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            except OSError:
                return
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until the reader has disconnected; what is unread of the request's body is skipped."""
    while (await receive())["type"] != "http.disconnect":
        pass
