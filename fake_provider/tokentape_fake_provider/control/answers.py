"""Routes that set up a session's responses, and list those that were never requested."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.responses import Refused, json_response
from tokentape_fake_provider.errors import CassetteAccessError
from tokentape_fake_provider.sessions.cassette_folder import find_cassette
from tokentape_fake_provider.sessions.queue_item import QueueEntry, queue_items
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Unplayed


class QueueRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/queue; a string is a script with that text."""

    items: list[QueueEntry]


class CassetteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/cassettes."""

    name: str


async def push(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/queue."""
    session = api.session(request)
    content = await api.read(request, QueueRequest)
    session.push(*queue_items(content.items))
    return json_response({"queued": len(session.queue)}, 201)


async def add_rule(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/rules."""
    session = api.session(request)
    session.add_rule(await api.read(request, Rule))
    return json_response({"rules": len(session.rules)}, 201)


async def load_cassette(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/cassettes."""
    session = api.session(request)
    content = await api.read(request, CassetteRequest)
    loader = api.config.loader
    if loader is None:
        raise CassetteAccessError(f"cassette {content.name!r}: this server has no cassette loader")
    path = find_cassette(api.config.folders, content.name)
    try:
        recordings = await asyncio.to_thread(loader, path)  # streams continue meanwhile
    except Exception as error:
        raise Refused(
            422, f"cassette {content.name!r} can't be read: {error}", "repair it, or record it again"
        ) from None
    return json_response({"loaded": session.add_recordings(recordings), "recordings": len(session.recordings)}, 201)


async def show_unplayed(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/unplayed."""
    return json_response(_unplayed(api.session(request).unplayed))


def _unplayed(unplayed: Unplayed) -> dict[str, Any]:
    return {
        "queue": len(unplayed.queue),
        "recordings": [recording.label for recording in unplayed.recordings],
        "rules": list(unplayed.rules),
        "summary": str(unplayed),
    }


ROUTES: Routes = {
    "/sessions/{id}/queue": {"POST": push},
    "/sessions/{id}/rules": {"POST": add_rule},
    "/sessions/{id}/cassettes": {"POST": load_cassette},
    "/sessions/{id}/unplayed": {"GET": show_unplayed},
}
