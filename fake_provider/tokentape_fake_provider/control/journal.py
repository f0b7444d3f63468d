"""Routes that read and clear a session's journal."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes, flag, number
from tokentape_fake_provider.control.responses import Refused, json_response
from tokentape_fake_provider.event_loops.worker_thread import run_in_thread
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.entry_row import entry_row

LONGEST_WAIT_S: Final = 600.0


async def read_journal(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/journal; with `wait`, responds when every response has ended; `bodies=0` sends rows only."""
    session = await api.session(request)
    journal = session.journal
    frames = flag(request, "frames")
    since = number(request, "since")
    if wait := number(request, "wait"):
        if wait > LONGEST_WAIT_S:
            raise Refused(400, f"wait is {wait}", f"wait at most {LONGEST_WAIT_S:g} s", "?wait")
        try:
            async with api.store.following(session):
                await journal.wait_async(timeout=wait)
        except TimeoutError as error:
            raise Refused(504, str(error), "read it without wait: it shows what is pending", "?wait") from None
    most = number(request, "limit") or None
    found = (entry for entry in journal.entries if entry.number >= since)
    chosen = list(islice(found, most))
    if flag(request, "bodies", default=True):
        entries = [shown_entry(entry, frames=frames) for entry in chosen]
    else:
        entries = await run_in_thread(lambda: [entry_row(entry) for entry in chosen])  # streams continue meanwhile
    return json_response({"forgotten": journal.forgotten, "entries": entries})


def shown_entry(entry: Entry, *, frames: bool = False) -> dict[str, Any]:
    """Return the entry as JSON, without a body that is nested too deeply to be encoded."""
    try:
        body = msgspec.json.encode(entry.body)
    except RecursionError:
        body = b"null"
    return {**entry.to_builtins(frames=frames), "body": msgspec.Raw(body)}


async def clear_journal(api: Api, request: Request) -> Response:
    """DELETE /sessions/{id}/journal."""
    await api.store.clear_journal(await api.session(request))
    return Response(status_code=204)


ROUTES: Routes = {"/sessions/{id}/journal": {"GET": read_journal, "DELETE": clear_journal}}
