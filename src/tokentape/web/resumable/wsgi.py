"""Resumable responses as WSGI applications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from tokentape.errors import ResumeError
from tokentape.web.disconnect import reader_left
from tokentape.web.resumable.answers import NOTHING_LEFT, Refusal, refusal
from tokentape.web.resumable.cursor import requested_cursor
from tokentape.web.resumable.reader import OpensReaders
from tokentape.web.wsgi import WSGIStream


class ResumableWSGI:
    """A WSGI application that answers with the events of a response after the request's cursor."""

    def __init__(self, responses: OpensReaders, id: str) -> None:  # noqa: A002 - the parameter's own name
        self._responses = responses
        self._id = id

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Begin the answer, and return its body."""
        cursor = requested_cursor(environ.get("HTTP_LAST_EVENT_ID"), environ.get("QUERY_STRING", ""))
        head = environ.get("REQUEST_METHOD") == "HEAD"
        try:
            reader = self._responses.open(self._id, cursor, head=head)
        except ResumeError as error:
            return self._refuse(refusal(error), head, start_response)
        if reader.at_end:
            reader.close()
            return self._refuse(NOTHING_LEFT, head, start_response)
        headers = self._responses.headers
        start_response("200 OK", list(headers.items()))
        return WSGIStream(reader.frames(), reader.close, headers, reader_left(environ))

    def _refuse(self, answer: Refusal, head: bool, start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = answer.headers(self._responses.headers.items())
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body] if answer.body and not head else []
