"""An application of Django, for WSGI and ASGI: the right answers, and those with the wrong kind of iterator."""

from __future__ import annotations

import os
import warnings

from answering import CANCELLED, RESUMABLE, aevents, afollowed, astream, events, followed, stream
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import path

from tokentape.web import ResumableResponses
from tokentape.web.django import StreamingChatHttpResponse

# It warns of what is tried out here.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume")

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="none",
    MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"] if os.environ.get("GZIP") else [],
)


def with_plain_stream(request: HttpRequest) -> StreamingHttpResponse:
    """The library's response."""
    return StreamingChatHttpResponse(request, stream(), format="sse")


async def with_async_stream(request: HttpRequest) -> StreamingHttpResponse:
    """The library's response, of an async stream."""
    return StreamingChatHttpResponse(request, await astream(), format="sse")


def with_plain_follow_up(request: HttpRequest) -> StreamingHttpResponse:
    """The library's response, of two answers."""
    return StreamingChatHttpResponse(request, followed(), format="sse")


async def with_async_follow_up(request: HttpRequest) -> StreamingHttpResponse:
    """The library's response, of two answers as an async stream."""
    return StreamingChatHttpResponse(request, await afollowed(), format="sse")


def by_hand(request: HttpRequest) -> StreamingHttpResponse:
    """A plain iterator: right under WSGI, wrong under ASGI."""
    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def by_async_hand(request: HttpRequest) -> StreamingHttpResponse:
    """An async iterator: right under ASGI, wrong under WSGI."""
    return StreamingHttpResponse(aevents(), content_type="text/event-stream")


def answer(request: HttpRequest, responses: ResumableResponses) -> HttpResponseBase:
    """The library's response for readers that come back."""
    responses.start("a", stream)
    return responses.django(request, "a")


async def aanswer(request: HttpRequest, responses: ResumableResponses) -> HttpResponseBase:
    """The same, in an async view."""
    await responses.astart("b", astream)
    return await responses.adjango(request, "b")


urlpatterns = [
    path("resumable", answer, {"responses": RESUMABLE}),
    path("aresumable", aanswer, {"responses": RESUMABLE}),
    path("cancelled", answer, {"responses": CANCELLED}),
    path("acancelled", aanswer, {"responses": CANCELLED}),
    path("chat", with_plain_stream),
    path("achat", with_async_stream),
    path("follow-up", with_plain_follow_up),
    path("afollow-up", with_async_follow_up),
    path("iterator", by_hand),
    path("async-iterator", by_async_hand),
]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
