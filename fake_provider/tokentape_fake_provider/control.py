"""Control: the rest of the server's routes (being written)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from tokentape_fake_provider.app import AppConfig


def control_routes(config: AppConfig) -> Starlette:
    """The control API and the health route as an ASGI application."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "sessions": sum(1 for _ in config.sessions)})

    return Starlette(routes=[Route("/health", health), Route("/", health)])
