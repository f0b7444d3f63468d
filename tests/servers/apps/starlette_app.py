"""Applications of Starlette: the right one, and ways to hold a stream up."""

from __future__ import annotations

from typing import Any

from answering import CANCELLED, RESUMABLE, aevents, afollowed, astream, followed, pieces, stream
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tokentape.web import StreamingChatResponse


async def by_hand(request: Request) -> Response:
    """A StreamingResponse as the documentation has it."""
    return StreamingResponse(aevents(), media_type="text/event-stream")


async def in_pieces(request: Request) -> Response:
    """The provider's body, passed on in pieces of 1 KiB."""
    return StreamingResponse(pieces(1024), media_type="text/event-stream")


async def with_async_stream(request: Request) -> Response:
    """The library's response."""
    return StreamingChatResponse(await astream(), format="sse")


def with_plain_stream(request: Request) -> Response:
    """The library's response, of a plain stream."""
    return StreamingChatResponse(stream())


async def with_async_follow_up(request: Request) -> Response:
    """The library's response, of two answers."""
    return StreamingChatResponse(await afollowed(), format="ndjson")


def with_plain_follow_up(request: Request) -> Response:
    """The library's response, of two answers as a plain stream."""
    return StreamingChatResponse(followed(), format="sse")


async def resumable(request: Request) -> Response:
    """The library's response for readers that come back."""
    await RESUMABLE.astart("a", astream)
    return RESUMABLE.starlette("a")


async def cancelled(request: Request) -> Response:
    """The same, which is cancelled when the last reader has left."""
    await CANCELLED.astart("a", astream)
    return CANCELLED.starlette("a")


async def read_all(request: Request, call_next: Any) -> Response:
    """A middleware that reads what the application answers."""
    response = await call_next(request)
    body = b"".join([part async for part in response.body_iterator])
    return Response(body, response.status_code, dict(response.headers))


def app(endpoint: Any, *middleware: Middleware, **others: Any) -> Starlette:
    """An application that answers at /chat, and at other paths."""
    routes = [
        Route(f"/{path.replace('_', '-')}", answer, methods=["GET", "POST"])
        for path, answer in {"chat": endpoint, **others}.items()
    ]
    return Starlette(routes=routes, middleware=middleware)


plain = app(by_hand)
library = app(
    with_async_stream,
    plain=with_plain_stream,
    follow_up=with_async_follow_up,
    plain_follow_up=with_plain_follow_up,
    resumable=resumable,
    cancelled=cancelled,
)
gzip = app(by_hand, Middleware(GZipMiddleware))
kilobytes = app(in_pieces)
reading = app(by_hand, Middleware(BaseHTTPMiddleware, dispatch=read_all))
