"""Routes that create, show, configure and delete sessions."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from tokentape_fake_provider.control.api import Api, Routes, origin
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.sessions.session import Session, SessionSummary
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.settings_change import SettingsChange
from tokentape_fake_provider.wires import WIRES


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions."""

    id: str | None = None
    settings: SettingsChange = SettingsChange()


class SessionDetail(SessionSummary, frozen=True, kw_only=True):
    """A session, and its base URL for clients of each wire format."""

    base_urls: dict[str, str]


class SessionList(msgspec.Struct, frozen=True):
    """All sessions."""

    sessions: list[SessionDetail]


@operation()
async def list_sessions(api: Api, request: Request) -> SessionList:
    """List the sessions."""
    return SessionList([_shown(session, request) for session in await api.store.all()])


@operation(status=201)
async def create_session(api: Api, request: Request, change: SessionRequest = SessionRequest()) -> SessionDetail:  # noqa: B008 - immutable
    """Create a session, by default with an id of the server and the server's settings."""
    settings = change.settings.applied(api.config.sessions.settings)
    return _shown(await api.store.create(change.id, settings), request)


@operation()
async def show_session(session: Session, request: Request) -> SessionDetail:
    """Show a session."""
    return _shown(session, request)


@operation(status=204)
async def delete_session(api: Api, request: Request) -> None:
    """Delete a session; `default` is emptied and gets the server's settings back."""
    await api.store.delete(request.path_params["id"])


@operation()
async def show_settings(session: Session) -> SessionSettings:
    """Show a session's settings."""
    return session.settings


@operation()
async def change_settings(api: Api, session: Session, change: SettingsChange) -> SessionSettings:
    """Change some of a session's settings."""

    def work() -> SessionSettings:
        session.settings = change.applied(session.settings)
        return session.settings

    return await api.change(session, work)


def _shown(session: Session, request: Request) -> SessionDetail:
    prefix = f"{origin(request)}/s/{session.id}"
    urls = {wire.name: f"{prefix}{wire.base_path}" for wire in WIRES.values()}
    return SessionDetail(base_urls=urls, **msgspec.structs.asdict(session.summary))


ROUTES: Routes = {
    "/sessions": {"GET": list_sessions, "POST": create_session},
    "/sessions/{id}": {"GET": show_session, "DELETE": delete_session},
    "/sessions/{id}/settings": {"GET": show_settings, "PATCH": change_settings},
}
