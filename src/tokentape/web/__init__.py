"""Streams as web responses that send each message at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokentape.web.asgi import ASGIStream
from tokentape.web.encoder import FrameEncoder
from tokentape.web.frames import Format, response_headers
from tokentape.web.resumable.buffer import MemoryBuffer
from tokentape.web.resumable.redis_buffer import RedisBuffer
from tokentape.web.resumable.responses import ResumableResponses
from tokentape.web.smoothing import smooth
from tokentape.web.wsgi import WSGIStream, wsgi_stream

if TYPE_CHECKING:
    from tokentape.web.django import StreamingChatHttpResponse
    from tokentape.web.starlette import StreamingChatResponse

__all__ = [
    "ASGIStream",
    "Format",
    "FrameEncoder",
    "MemoryBuffer",
    "RedisBuffer",
    "ResumableResponses",
    "StreamingChatHttpResponse",
    "StreamingChatResponse",
    "WSGIStream",
    "response_headers",
    "smooth",
    "wsgi_stream",
]


def __getattr__(name: str) -> Any:
    # Neither Starlette nor Django is a dependency of the library.
    if name == "StreamingChatResponse":
        from tokentape.web.starlette import StreamingChatResponse

        return StreamingChatResponse
    if name == "StreamingChatHttpResponse":
        from tokentape.web.django import StreamingChatHttpResponse

        return StreamingChatHttpResponse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
