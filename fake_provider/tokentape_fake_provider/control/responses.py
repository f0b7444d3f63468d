"""The control API's responses: JSON, and errors with the problem, the place and the remedy."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

DOCUMENT: Final = "/_tokentape/openapi.json"
"""Where a running server lists its routes and their fields: an error leads there, as pip brings no docs."""


class ProblemDetail(msgspec.Struct, frozen=True):
    """What is wrong, where, and what to do."""

    what: str
    where: str
    do: str


class Problem(msgspec.Struct, frozen=True):
    """The body of every refusal."""

    error: ProblemDetail


class Refused(Exception):  # noqa: N818 - a response
    """A request that is refused: the status, the problem, the remedy, and the place."""

    def __init__(self, status: int, what: str, do: str, where: str = "") -> None:
        super().__init__(what)
        self.status, self.what, self.do, self.where = status, what, do, where


def json_response(value: Any, status: int = 200) -> Response:
    """Return the value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def refusal(request: Request, refused: Refused) -> Response:
    """Return the refusal as JSON."""
    where = f"{request.method} {request.scope['path']}" + (f", {refused.where}" if refused.where else "")
    return json_response(Problem(ProblemDetail(refused.what, where, refused.do)), refused.status)
