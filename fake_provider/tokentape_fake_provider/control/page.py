"""Routes of the console: its page, scripts and styles, which hold no data and so need no token."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Routes
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.control.responses import Refused

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@operation(media="text/html")
async def show_page() -> Response:
    """Show the console."""
    return _file("index.html")


@operation(media="*/*")
async def show_file(request: Request) -> Response:
    """Show a file of the console."""
    return _file(request.path_params["name"])


def _file(name: str) -> Response:
    found = next((file for file in files(__package__).joinpath("console").iterdir() if file.name == name), None)
    kind = _TYPES.get(name.rpartition(".")[2])
    if found is None or kind is None:
        raise Refused(404, f"the console has no file {name!r}", "open /_tokentape/console")
    return Response(found.read_bytes(), media_type=kind, headers=_HEADERS)


ROUTES: Routes = {"/console": {"GET": show_page}, "/console/{name}": {"GET": show_file}}
