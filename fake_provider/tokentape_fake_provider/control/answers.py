"""Routes that set up a session's responses, and list those that were never requested."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.responses import Refused, json_response
from tokentape_fake_provider.errors import CassetteAccessError
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.cassette_folder import find_cassette
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import QueueItem, Unplayed
from tokentape_fake_provider.tape import Tape

# RFC 9110 section 5: a field name is a token, a value has no control characters.
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class ScriptItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One response to queue: a script or a tape."""

    script: Script | None = None
    tape: Tape | None = None

    def __post_init__(self) -> None:
        if (self.script is None) == (self.tape is None):
            raise ValueError("an item must be a string, or an object with either `script` or `tape`")
        if self.tape is not None:
            _check_head(self.tape)

    @property
    def item(self) -> QueueItem:
        """The script or the tape."""
        item = self.script if self.script is not None else self.tape
        assert item is not None
        return item


def _check_head(tape: Tape) -> None:
    """Raise `ValueError` if the head can't be sent as an HTTP response."""
    if not 200 <= tape.status <= 599:
        raise ValueError(f"a tape's status must be 200 to 599, not {tape.status}")
    for name, value in tape.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} can't be sent: use letters, digits and -; no line breaks in its value")


class QueueRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/queue; a string is a script with that text."""

    items: list[str | ScriptItem]


class CassetteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/cassettes."""

    name: str


async def push(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/queue."""
    session = api.session(request)
    content = await api.read(request, QueueRequest)
    session.push(*(item if isinstance(item, str) else item.item for item in content.items))
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
