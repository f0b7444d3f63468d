"""Streams as responses of Starlette and FastAPI (one of which must be installed)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

try:
    from starlette.background import BackgroundTask
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send
except ModuleNotFoundError as missing:
    from tokentape.errors import ConfigurationError

    raise ConfigurationError(
        "StreamingChatResponse needs Starlette or FastAPI: install one, or use tokentape.web.asgi.ASGIStream"
    ) from missing

from tokentape.clock import Clock
from tokentape.web.asgi import ASGIStream
from tokentape.web.frames import Format


class StreamingChatResponse(Response):
    """A response that sends each message of a stream at once; the parameters are those of `ASGIStream`.

        @app.post("/chat")
        async def chat(prompt: str):
            response = await provider.achat(prompt, stream=True)
            return StreamingChatResponse(response, format="sse", heartbeat=15)

    `background` runs once all is sent, but not if a stream in plain text failed.
    """

    def __init__(
        self,
        stream: Any,
        *,
        format: Format = "text",  # noqa: A002 - the parameter's own name
        heartbeat: float | None = None,
        headers: Mapping[str, str | None] | None = None,
        status_code: int = 200,
        background: BackgroundTask | None = None,
        idle_timeout: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._stream = ASGIStream(
            stream,
            format=format,
            heartbeat=heartbeat,
            headers=headers,
            status_code=status_code,
            idle_timeout=idle_timeout,
            clock=clock,
        )
        self.status_code = status_code
        self.background = background
        self.body = b""
        # FastAPI adds cookies and headers to this list.
        self.raw_headers = self._stream.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await self._stream(scope, receive, send)
        if self.background is not None:
            await self.background()
