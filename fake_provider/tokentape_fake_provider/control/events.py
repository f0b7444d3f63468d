"""The route that sends what changes in the sessions, as an event stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.operation import Query, operation
from tokentape_fake_provider.sessions.feed import FeedEvent


class EventsQuery(Query, frozen=True):
    """GET /events: the only session of interest, and the id of the last event that the reader has."""

    session: str | None = None
    since: int | None = None


@operation(media="text/event-stream")
async def send_events(api: Api, request: Request, query: EventsQuery) -> Response:
    """Send what changes in the sessions, as it does."""
    session = None if query.session is None else await api.store.read(query.session)
    headers = {"cache-control": "no-store", "content-type": "text/event-stream; charset=utf-8"}
    if request.method == "HEAD":
        return Response(headers=headers)
    events = api.config.feed.read(api.config.sessions, query.session, query.since)
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
