"""Cursors: the id of the last event that a reader received."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs

from tokentape.errors import EventsDroppedError, ResumeError
from tokentape.web.resumable.log import EventLog

PARAMETER = "last_event_id"
"""The query parameter for clients that can't set the header `Last-Event-ID`."""

_CURSOR = re.compile(r"([0-9a-f]{1,32})-([0-9]{1,15})", re.ASCII)


class Cursor(NamedTuple):
    """The place after an event: the epoch of its response, and its number."""

    epoch: str
    number: int


def requested_cursor(header: str | None, query_string: str) -> str | None:
    """Return the event id that a request has in its header `Last-Event-ID`, else in its query parameter."""
    return (header or "").strip() or next(iter(parse_qs(query_string).get(PARAMETER, ())), None)


def parse_cursor(text: str | None) -> Cursor | None:
    """Return the cursor; None for the start. Raises ResumeError for what is not the id of an event."""
    if not text:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ResumeError(
            f"{text[:60]!r} is not the id of an event of a resumable response: send back the last `id:` received, "
            "unchanged, or none to read from the start"
        )
    return Cursor(found[1], int(found[2]))


def number_in(log: EventLog, cursor: Cursor | None) -> int:
    """Return the number of the event after which a reader with this cursor goes on.

    Without a cursor that is the start of the response. Raises EventsDroppedError.
    """
    number = cursor.number if cursor is not None else 0
    if cursor is not None and cursor.epoch != log.epoch:
        raise EventsDroppedError(
            "the cursor belongs to an earlier response with this id: read this one from the start, without a cursor"
        )
    log.check(number)
    return number
