"""Streams as web responses that flush each message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokentape.web.asgi import ASGIStream
from tokentape.web.frames import Format, response_headers
from tokentape.web.wsgi import WSGIStream, wsgi_stream

if TYPE_CHECKING:
    from tokentape.web.starlette import StreamingChatResponse

__all__ = [
    "ASGIStream",
    "Format",
    "StreamingChatResponse",
    "WSGIStream",
    "response_headers",
    "wsgi_stream",
]


def __getattr__(name: str) -> Any:
    if name == "StreamingChatResponse":  # Starlette is not a dependency of the library
        from tokentape.web.starlette import StreamingChatResponse

        return StreamingChatResponse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
