"""Routes that create, show, configure and delete sessions."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes, origin
from tokentape_fake_provider.control.responses import json_response
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.settings_change import SettingsChange
from tokentape_fake_provider.wires import WIRES


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions."""

    id: str | None = None
    settings: SettingsChange = SettingsChange()


async def list_sessions(api: Api, request: Request) -> Response:
    """GET /sessions."""
    return json_response({"sessions": [_shown(session, request) for session in await api.store.all()]})


async def create_session(api: Api, request: Request) -> Response:
    """POST /sessions."""
    change = await api.read(request, SessionRequest, SessionRequest())
    settings = change.settings.applied(api.config.sessions.settings)
    return json_response(_shown(await api.store.create(change.id, settings), request), 201)


async def show_session(api: Api, request: Request) -> Response:
    """GET /sessions/{id}."""
    return json_response(_shown(await api.session(request), request))


async def delete_session(api: Api, request: Request) -> Response:
    """DELETE /sessions/{id}."""
    await api.store.delete(request.path_params["id"])
    return Response(status_code=204)


async def show_settings(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/settings."""
    return json_response((await api.session(request)).settings)


async def change_settings(api: Api, request: Request) -> Response:
    """PATCH /sessions/{id}/settings."""
    session = await api.session(request)
    change = await api.read(request, SettingsChange)

    def work() -> SessionSettings:
        session.settings = change.applied(session.settings)
        return session.settings

    return json_response(await api.change(session, work))


def _shown(session: Session, request: Request) -> dict[str, Any]:
    prefix = f"{origin(request)}/s/{session.id}"
    urls = {wire.name: f"{prefix}{wire.base_path}" for wire in WIRES.values()}
    return {"base_urls": urls, **msgspec.structs.asdict(session.summary)}


ROUTES: Routes = {
    "/sessions": {"GET": list_sessions, "POST": create_session},
    "/sessions/{id}": {"GET": show_session, "DELETE": delete_session},
    "/sessions/{id}/settings": {"GET": show_settings, "PATCH": change_settings},
}
