"""Resumable responses as responses of Starlette and FastAPI (one of which must be installed)."""

from __future__ import annotations

try:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send
except ModuleNotFoundError as missing:
    from tokentape.errors import ConfigurationError

    raise ConfigurationError(
        "ResumableResponses.starlette needs Starlette or FastAPI: install one, or use ResumableResponses.asgi"
    ) from missing

from tokentape.web.resumable.asgi import ResumableASGI
from tokentape.web.resumable.reader import OpensReaders


class ResumableResponse(Response):
    """A response with the events of a resumable response; `background` runs once all is sent to this reader."""

    def __init__(self, responses: OpensReaders, id: str) -> None:  # noqa: A002 - the parameter's own name
        self._answer = ResumableASGI(responses, id)
        self.status_code = 200
        self.background = None
        self.body = b""
        # FastAPI adds cookies and headers to this list.
        self.raw_headers = self._answer.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await self._answer(scope, receive, send)
        if self.background is not None:
            await self.background()
