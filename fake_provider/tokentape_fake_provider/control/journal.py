"""Routes that read and clear a session's journal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.operation import Query, operation
from tokentape_fake_provider.control.responses import Refused, json_response
from tokentape_fake_provider.event_loops.worker_thread import run_in_thread
from tokentape_fake_provider.playback.journal import MASK, Entry, EntryFields
from tokentape_fake_provider.playback.secret_names import is_secret_name
from tokentape_fake_provider.sessions.entry_row import entry_row
from tokentape_fake_provider.sessions.session import Session

LONGEST_WAIT_S: Final = 600.0


class JournalQuery(Query, frozen=True):
    """GET /sessions/{id}/journal: from which entry, how many, in how much detail; `wait` is in s."""

    since: int = 0
    limit: int = 0
    wait: int = 0
    frames: bool = False
    bodies: bool = True
    responses: bool = False


class FrameTimes(msgspec.Struct, frozen=True):
    """A frame that was sent: when it was due and when it was sent (ms since the request), the lateness, its bytes."""

    at: float
    left: float
    lateness: float
    size: int


class SentResponse(msgspec.Struct, frozen=True):
    """What `responses` adds: headers, and the bytes that were sent (`None` if the journal has dropped them).

    `next_due` is when the next frame was due, in ms since the request; `by_hand` whether somebody let its frames wait.
    """

    headers: Sequence[tuple[str, str]]
    data: bytes | None
    next_due: float | None
    by_hand: bool


class JournalEntry(EntryFields, frozen=True, kw_only=True):
    """An entry; without `bodies` it has a `preview` of its prompt in place of headers and body."""

    headers: Sequence[tuple[str, str]] = ()
    body: Any = None
    frames: Sequence[FrameTimes] = ()
    preview: str = ""
    response: SentResponse | None = None


class JournalPage(msgspec.Struct, frozen=True):
    """Entries, oldest first, and the number of those that were dropped; `now` is the session's clock, in ms."""

    forgotten: int
    entries: list[JournalEntry]
    now: float | None = None


@operation(JournalPage)
async def read_journal(api: Api, session: Session, query: JournalQuery) -> Response:
    """Read the journal; with `wait`, as soon as every response has ended."""
    journal = session.journal
    if query.wait:
        if query.wait > LONGEST_WAIT_S:
            raise Refused(400, f"wait is {query.wait}", f"wait at most {LONGEST_WAIT_S:g} s", "?wait")
        try:
            async with api.store.following(session):
                await journal.wait_async(timeout=query.wait)
        except TimeoutError as error:
            raise Refused(504, str(error), "read it without wait: it shows what is pending", "?wait") from None
    found = (entry for entry in journal.entries if entry.number >= query.since)
    chosen = list(islice(found, query.limit or None))
    show = partial(shown_entry, frames=query.frames, response=query.responses) if query.bodies else entry_row
    page = {"forgotten": journal.forgotten, "now": now_of(api, session)}

    def encode() -> bytes:
        return msgspec.json.encode({**page, "entries": [show(entry) for entry in chosen]})

    return json_response(msgspec.Raw(await run_in_thread(encode)))  # streams continue meanwhile


def now_of(api: Api, session: Session) -> float:
    """Return the time of the session's clock, in ms."""
    return (session.clock or api.config.clock).now()


def shown_entry(entry: Entry, *, frames: bool = False, response: bool = False) -> dict[str, Any]:
    """Return the entry as JSON, without a body that is nested too deeply to be encoded."""
    try:
        body = msgspec.json.encode(entry.body)
    except RecursionError:
        body = b"null"
    shown = {**entry.to_builtins(frames=frames), "body": msgspec.Raw(body)}
    return {**shown, "response": _sent_response(entry)} if response else shown


def _sent_response(entry: Entry) -> SentResponse:
    data = entry.sent_body
    return SentResponse(masked_headers(entry.response_headers), data, entry.next_due, entry.by_hand)


def masked_headers(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers with secrets masked."""
    return [(name, MASK if is_secret_name(name, "header") else value) for name, value in headers]


@operation(status=204)
async def clear_journal(api: Api, session: Session) -> None:
    """Forget all entries."""
    await api.store.clear_journal(session)


ROUTES: Routes = {"/sessions/{id}/journal": {"GET": read_journal, "DELETE": clear_journal}}
