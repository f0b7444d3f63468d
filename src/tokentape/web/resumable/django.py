"""Resumable responses as responses of Django (which must be installed)."""

from __future__ import annotations

from collections.abc import AsyncIterator

try:
    from django.core.handlers.asgi import ASGIRequest
    from django.http import HttpRequest, HttpResponse, HttpResponseBase
except ModuleNotFoundError as missing:
    from tokentape.errors import ConfigurationError

    raise ConfigurationError(
        "ResumableResponses.django needs Django: install it, or use ResumableResponses.wsgi or asgi"
    ) from missing

from tokentape.errors import ResumeError
from tokentape.web.disconnect import reader_left
from tokentape.web.django import UncompressedHttpResponse
from tokentape.web.resumable.answers import NOTHING_LEFT, Refusal, refusal
from tokentape.web.resumable.cursor import requested_cursor
from tokentape.web.resumable.reader import OpensReaders, Reader
from tokentape.web.wsgi import WSGIStream


def django_response(responses: OpensReaders, request: HttpRequest, id: str) -> HttpResponseBase:  # noqa: A002
    """Return a response with the events after the request's cursor."""
    try:
        return _response(
            responses.open(id, _cursor(request), head=request.method == "HEAD"), responses.headers, request
        )
    except ResumeError as error:
        return _refuse(refusal(error), responses.headers, request)


async def adjango_response(
    responses: OpensReaders,
    request: HttpRequest,
    id: str,  # noqa: A002
) -> HttpResponseBase:
    """`django_response` for async views."""
    try:
        return _response(
            await responses.aopen(id, _cursor(request), head=request.method == "HEAD"), responses.headers, request
        )
    except ResumeError as error:
        return _refuse(refusal(error), responses.headers, request)


class _AsyncBody:
    """An async iterable that Django closes, even if it never reads it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.close = reader.close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._reader.aframes()


def _cursor(request: HttpRequest) -> str | None:
    return requested_cursor(request.META.get("HTTP_LAST_EVENT_ID"), request.META.get("QUERY_STRING", ""))


def _response(reader: Reader, headers: dict[str, str], request: HttpRequest) -> HttpResponseBase:
    if reader.at_end:
        reader.close()
        return _refuse(NOTHING_LEFT, headers, request)
    body = (
        _AsyncBody(reader)
        if isinstance(request, ASGIRequest)
        else WSGIStream(reader.frames(), reader.close, headers, reader_left(request.META))
    )
    return UncompressedHttpResponse(body, headers=headers)


def _refuse(answer: Refusal, headers: dict[str, str], request: HttpRequest) -> HttpResponseBase:
    body = b"" if request.method == "HEAD" else answer.body
    return HttpResponse(body, status=answer.status, headers=dict(answer.headers(headers.items())))
