"""Journal: what happened in a session."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes, flag, number
from tokentape_fake_provider.control.responses import json_response


async def read_journal(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/journal."""
    journal = api.session(request).journal
    frames = flag(request, "frames")
    since = number(request, "since")
    entries = [entry.to_builtins(frames=frames) for entry in journal.entries if entry.number >= since]
    return json_response({"forgotten": journal.forgotten, "entries": entries})


async def clear_journal(api: Api, request: Request) -> Response:
    """DELETE /sessions/{id}/journal."""
    api.session(request).journal.clear()
    return Response(status_code=204)


ROUTES: Routes = {"/sessions/{id}/journal": {"GET": read_journal, "DELETE": clear_journal}}
