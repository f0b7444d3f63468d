"""The route that sends what changes in the sessions, as an event stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tokentape_fake_provider.control.api import Api, Routes, number
from tokentape_fake_provider.sessions.feed import FeedEvent


async def send_events(api: Api, request: Request) -> Response:
    """GET /events; `session` is the only one of interest, `since` the id of the last event that the reader has."""
    name = request.query_params.get("session")
    session = None if name is None else await api.store.read(name)
    since = number(request, "since") if "since" in request.query_params else None
    headers = {"cache-control": "no-store", "content-type": "text/event-stream; charset=utf-8"}
    if request.method == "HEAD":
        return Response(headers=headers)
    events = api.config.feed.read(api.config.sessions, name, since)
    return StreamingResponse(_encoded(api.store.following(session), events), headers=headers)


async def _encoded(
    following: AbstractAsyncContextManager[object], events: AsyncIterator[FeedEvent | None]
) -> AsyncIterator[bytes]:
    async with following:
        async for event in events:
            if event is None:
                yield b":\n\n"
            else:
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), event.data)


ROUTES: Routes = {"/events": {"GET": send_events}}
