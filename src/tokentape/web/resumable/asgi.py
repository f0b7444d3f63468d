"""Resumable responses as ASGI applications."""

from __future__ import annotations

from tokentape.errors import ResumeError
from tokentape.web.asgi import ASGIMessage, Receive, Send, encoded_headers, send_frames
from tokentape.web.reading import require_asyncio
from tokentape.web.resumable.answers import NOTHING_LEFT, Refusal, refusal
from tokentape.web.resumable.cursor import requested_cursor
from tokentape.web.resumable.reader import OpensReaders


class ResumableASGI:
    """An ASGI application that answers with the events of a response after the request's cursor."""

    def __init__(self, responses: OpensReaders, id: str) -> None:  # noqa: A002 - the parameter's own name
        self._responses = responses
        self._id = id
        self.raw_headers = encoded_headers(responses.headers.items())

    async def __call__(self, scope: ASGIMessage, receive: Receive, send: Send) -> None:
        """Send the answer; return when all is sent, or the reader has disconnected.

        Raises ConfigurationError in an event loop other than asyncio's.
        """
        require_asyncio()
        # Joined as servers of WSGI join them (RFC 9110, 5.3): two are no id on any stack.
        header = b", ".join(value for name, value in scope.get("headers", ()) if name.lower() == b"last-event-id")
        query = scope.get("query_string", b"").decode("latin-1")
        head = scope.get("method") == "HEAD"
        try:
            reader = await self._responses.aopen(self._id, requested_cursor(header.decode("latin-1"), query), head=head)
        except ResumeError as error:
            await self._refuse(refusal(error), head, send)
            return
        try:
            if reader.at_end:
                await self._refuse(NOTHING_LEFT, head, send)
            else:
                await send_frames(reader.aframes(), 200, self.raw_headers, receive, send)
        finally:
            reader.close()

    async def _refuse(self, answer: Refusal, head: bool, send: Send) -> None:
        own = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers]
        headers = encoded_headers(answer.headers(own))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head else answer.body, "more_body": False})
