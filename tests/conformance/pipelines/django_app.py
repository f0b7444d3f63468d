"""Django with the library's response, as `wsgi` and as `asgi`: /plain, and /async under ASGI."""

from __future__ import annotations

import logging

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from tests.conformance.pipelines.chatting import astream, stream
from tokentape.web.django import StreamingChatHttpResponse

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="none")
logging.getLogger("django").setLevel(logging.CRITICAL)  # the suite has providers refuse on purpose
# Django never retrieves the exception of the task that waits for a disconnect.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def plain(request: HttpRequest) -> StreamingHttpResponse:
    """A plain stream."""
    return StreamingChatHttpResponse(request, stream(), format="sse")


async def asynchronous(request: HttpRequest) -> StreamingHttpResponse:
    """An async stream."""
    return StreamingChatHttpResponse(request, await astream(), format="ndjson")


urlpatterns = [path("plain", plain), path("async", asynchronous)]
settings.ROOT_URLCONF = __name__
wsgi = get_wsgi_application()
asgi = get_asgi_application()
