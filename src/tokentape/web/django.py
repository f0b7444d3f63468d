"""Streams as responses of Django (which must be installed), under WSGI and ASGI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

try:
    from django.core.handlers.asgi import ASGIRequest
    from django.http import HttpRequest, StreamingHttpResponse
except ModuleNotFoundError as missing:
    from tokentape.errors import ConfigurationError

    raise ConfigurationError(
        "StreamingChatHttpResponse needs Django: install it, or use tokentape.web.wsgi_stream or ASGIStream"
    ) from missing

from tokentape.clock import Clock
from tokentape.errors import ConfigurationError
from tokentape.web.asgi import ASGIStream
from tokentape.web.frames import Format
from tokentape.web.wsgi import wsgi_stream


class UncompressedHttpResponse(StreamingHttpResponse):  # type: ignore[misc]  # Django has no types
    """A streamed response that Django's GZipMiddleware leaves alone.

    The middleware would hold it to its end under WSGI; under ASGI it would compress each piece for itself.
    """

    def has_header(self, header: str) -> bool:
        """Return whether the response has a header; for `Content-Encoding` True, at which the middleware skips it."""
        return header.lower() == "content-encoding" or bool(super().has_header(header))


class StreamingChatHttpResponse(UncompressedHttpResponse):
    """A response that sends each message of a stream at once, and closes the stream when the reader disconnects.

        def chat(request):
            response = provider.chat(request.POST["prompt"], stream=True)
            return StreamingChatHttpResponse(request, response, format="sse")

    `stream` is a plain or an async iterator of messages, or the response that has it. `request` determines how it is
    read, because Django would collect an iterator of the wrong kind into a list first: under ASGI a plain stream is
    read in its own thread, and under WSGI an async stream raises `ConfigurationError`. The other parameters are as in
    `wsgi_stream`.
    """

    def __init__(
        self,
        request: HttpRequest,
        stream: Any,
        *,
        format: Format = "text",  # noqa: A002 - the parameter's own name
        heartbeat: float | None = None,
        headers: Mapping[str, str | None] | None = None,
        status: int = 200,
        idle_timeout: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        if isinstance(request, ASGIRequest):
            response = ASGIStream(
                stream, format=format, heartbeat=heartbeat, headers=headers, idle_timeout=idle_timeout, clock=clock
            )
            super().__init__(response.frames(), status=status, headers=response.headers)
            return
        body = wsgi_stream(
            stream,
            format=format,
            heartbeat=heartbeat,
            headers=headers,
            environ=request.META,
            idle_timeout=idle_timeout,
            clock=clock,
        )
        super().__init__(body, status=status, headers=body.headers)
