"""Routes that describe the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request

from tokentape_fake_provider.control.api import Api, Routes, origin
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.faults.specification import CatalogEntry, catalog_of_faults
from tokentape_fake_provider.wires import WIRES


class WireInfo(msgspec.Struct, frozen=True):
    """A wire format: the paths that it answers, below a session's prefix, and the base URL for its clients."""

    name: str
    paths: Sequence[str]
    base_url: str


class ServerInfo(msgspec.Struct, frozen=True):
    """The server: its wire formats, and the ids of its sessions."""

    server: Literal["tokentape"]
    wires: list[WireInfo]
    sessions: list[str]


class FaultCatalog(msgspec.Struct, frozen=True):
    """All faults: their names, what they do, and their parameters."""

    faults: Sequence[CatalogEntry]


@operation()
async def info(api: Api, request: Request) -> ServerInfo:
    """Show the server's wire formats and sessions."""
    wires = [WireInfo(wire.name, wire.paths, f"{origin(request)}{wire.base_path}") for wire in WIRES.values()]
    return ServerInfo("tokentape", wires, [session.id for session in await api.store.all()])


@operation()
async def list_faults() -> FaultCatalog:
    """List the faults."""
    return FaultCatalog(catalog_of_faults())


ROUTES: Routes = {
    "": {"GET": info},
    "/": {"GET": info},
    "/faults": {"GET": list_faults},
}
