"""Streams as ASGI responses, with no framework; `tokentape.web.starlette` is the same as a Response.

await ASGIStream(stream, format="sse")(scope, receive, send)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from tokentape.clock import Clock
from tokentape.errors import ConfigurationError
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
from tokentape.web.reading import async_messages, close_unread, with_heartbeat
from tokentape.web.timeouts import Silence

log = logging.getLogger("tokentape.web")

ASGIMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[ASGIMessage]]
Send: TypeAlias = Callable[[ASGIMessage], Awaitable[None]]


class ASGIStream:
    """An ASGI application that answers with a stream, each message as it comes.

    `stream` is an async or a plain iterator of messages, or the response that has it; a plain one is read in a
    thread of its own. `heartbeat` is after how many seconds of silence a frame says that the connection lives,
    `idle_timeout` after how many the stream has failed; both in the time of `clock`, where it is not the machine's.
    When the reader leaves, the stream is closed. A stream that fails ends with an error frame; plain text is
    then cut off as well, as nothing else in it tells an end from a failure.
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
        self._silence = Silence(heartbeat, idle_timeout, clock)
        self._silence.check()
        check_format(format, heartbeat)
        self.stream = getattr(stream, "normalized", stream)
        self.format = format
        self.heartbeat = heartbeat
        self.headers = response_headers(format, headers)
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        self.status_code = status_code
        self._begun = False

    async def __call__(self, scope: ASGIMessage, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response; back when all is sent, or the reader has left and the stream is closed.

        Raises ConfigurationError in another event loop than asyncio's.
        """
        _require_asyncio()
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, sending):
                if not task.done():
                    task.cancel()
            # Wait until the stream is closed; what it raised as it was cancelled is its own.
            await asyncio.gather(sending, leaving, return_exceptions=True)
            if not self._begun:  # the reader left before there was anything to send
                await close_unread(self.stream)
        if not sending.cancelled():
            sending.result()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The frames alone, for a framework that takes an async iterator of bytes (Django under ASGI)."""
        _require_asyncio()
        self._begun = True
        messages = async_messages(self.stream)
        if self._silence.bounded:
            messages = with_heartbeat(messages, self._silence)
        try:
            async with contextlib.aclosing(messages):
                async for message in messages:
                    frame = heartbeat_frame(self.format) if message is None else message_frame(message, self.format)
                    if frame:
                        yield frame
        except Exception as error:
            log.warning("a streamed response broke off: %s", type(error).__name__)
            yield error_frame(error, self.format)
            if self.format == "text":
                raise
            return
        last = end_frame(output_of(self.stream), self.format)
        if last:
            yield last

    async def _send(self, send: Send) -> None:
        async with contextlib.aclosing(self.frames()) as frames:
            try:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            except OSError:  # the reader has left, as servers of ASGI 2.4 say it
                return
            async for frame in frames:
                try:
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
                except OSError:
                    return
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _require_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "streams as web responses need asyncio, and another event loop (trio's) runs here: serve the app by "
            "asyncio, or write the messages of the stream yourself, which any event loop can read"
        ) from None


async def _left(receive: Receive) -> None:
    """Wait until the reader has left. The request's body may not have been read: that is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass
