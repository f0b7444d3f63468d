"""Starlette with the library's response: /sse, /ndjson, /text, and /plain of a stream that is not async."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.conformance.pipelines.chatting import astream, stream
from tokentape.web import StreamingChatResponse


async def sse(request: Request) -> Response:
    """Server-sent events."""
    return StreamingChatResponse(await astream(), format="sse", heartbeat=15)


async def ndjson(request: Request) -> Response:
    """Lines of JSON."""
    return StreamingChatResponse(await astream(), format="ndjson")


async def text(request: Request) -> Response:
    """Plain text."""
    return StreamingChatResponse(await astream())


def plain(request: Request) -> Response:
    """A plain stream, which is read in a thread."""
    return StreamingChatResponse(stream(), format="sse")


app = Starlette(routes=[Route(f"/{answer.__name__}", answer) for answer in (sse, ndjson, text, plain)])
