"""Routes that describe the server."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes, origin
from tokentape_fake_provider.control.responses import json_response
from tokentape_fake_provider.faults.specification import catalog_of_faults
from tokentape_fake_provider.wires import WIRES


async def info(api: Api, request: Request) -> Response:
    """GET /: the server's wire formats and sessions."""
    wires = [
        {"name": wire.name, "paths": list(wire.paths), "base_url": f"{origin(request)}{wire.base_path}"}
        for wire in WIRES.values()
    ]
    return json_response(
        {"server": "tokentape", "wires": wires, "sessions": [session.id for session in await api.store.all()]}
    )


async def list_faults(_api: Api, _request: Request) -> Response:
    """GET /faults."""
    return json_response({"faults": catalog_of_faults()})


ROUTES: Routes = {
    "": {"GET": info},
    "/": {"GET": info},
    "/faults": {"GET": list_faults},
}
