"""Routes that set up a session's responses, and list those that were never requested."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.plain import plain
from tokentape_fake_provider.control.responses import Refused, json_response
from tokentape_fake_provider.errors import CassetteAccessError
from tokentape_fake_provider.sessions.cassette_folder import find_cassette, recordings_of
from tokentape_fake_provider.sessions.queue_item import QueueEntry, queue_items
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session, Unplayed
from tokentape_fake_provider.tape import Tape


class QueueRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/queue; a string is a script with that text."""

    items: list[QueueEntry]


class Queue(msgspec.Struct, frozen=True):
    """GET /sessions/{id}/queue: the items, as POST takes them."""

    items: list[dict[str, Any]]


class RulesRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PUT /sessions/{id}/rules: all rules, in order."""

    rules: list[Rule]


class Rules(msgspec.Struct, frozen=True):
    """The rules in order, without the fields that have their default value, and how often each answered."""

    rules: list[dict[str, Any]]
    counts: list[int]


class CassetteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/cassettes: the name of a file in a cassette folder, or a name and the content of a file."""

    name: str
    content: str | None = None


async def push(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/queue."""
    session = await api.session(request)
    items = queue_items((await api.read(request, QueueRequest)).items)

    def work() -> int:
        session.push(*items)
        return len(session.queue)

    return json_response({"queued": await api.change(session, work)}, 201)


async def show_queue(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/queue."""
    return json_response(_queue(await api.session(request)))


async def replace_queue(api: Api, request: Request) -> Response:
    """PUT /sessions/{id}/queue."""
    session = await api.session(request)
    items = queue_items((await api.read(request, QueueRequest)).items)
    while await api.change(session, session.drop_queued):
        pass
    await api.change(session, lambda: session.push(*items))
    return json_response(_queue(session))


def _queue(session: Session) -> Queue:
    return Queue([{"tape" if isinstance(item, Tape) else "script": plain(item)} for item in session.queue])


async def show_rules(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/rules."""
    return json_response(_rules(await api.session(request)))


async def replace_rules(api: Api, request: Request) -> Response:
    """PUT /sessions/{id}/rules; rules that stay keep their counts."""
    session = await api.session(request)
    rules = (await api.read(request, RulesRequest)).rules
    await api.change(session, lambda: session.replace_rules(rules))
    return json_response(_rules(session))


def _rules(session: Session) -> Rules:
    with session.lock:
        return Rules([plain(rule) for rule in session.rules], list(session.rule_counts))


async def add_rule(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/rules."""
    session = await api.session(request)
    rule = await api.read(request, Rule)

    def work() -> int:
        session.add_rule(rule)
        return len(session.rules)

    return json_response({"rules": await api.change(session, work)}, 201)


async def load_cassette(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/cassettes."""
    session = await api.session(request)
    cassette = await api.read(request, CassetteRequest)
    loader, name = api.config.loader, cassette.name
    if loader is None:
        raise CassetteAccessError(f"cassette {name!r}: this server has no cassette loader")
    path = None if cassette.content is not None else find_cassette(api.config.folders, name)

    def load() -> tuple[bytes, Sequence[Recording]]:
        if path is not None:
            return path.read_bytes(), loader(path)
        content = (cassette.content or "").encode()
        return content, recordings_of(name, content, loader)

    try:
        content, recordings = await asyncio.to_thread(load)  # streams continue meanwhile
    except Exception as error:
        raise Refused(422, f"cassette {name!r} can't be read: {error}", "repair it, or record it again") from None
    await api.store.add_cassette(session, recordings, name, content)
    return json_response({"loaded": len(recordings), "recordings": len(session.recordings)}, 201)


async def show_unplayed(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/unplayed."""
    return json_response(_unplayed((await api.session(request)).unplayed))


def _unplayed(unplayed: Unplayed) -> dict[str, Any]:
    return {
        "queue": len(unplayed.queue),
        "recordings": [recording.label for recording in unplayed.recordings],
        "rules": list(unplayed.rules),
        "summary": str(unplayed),
    }


ROUTES: Routes = {
    "/sessions/{id}/queue": {"GET": show_queue, "POST": push, "PUT": replace_queue},
    "/sessions/{id}/rules": {"GET": show_rules, "POST": add_rule, "PUT": replace_rules},
    "/sessions/{id}/cassettes": {"POST": load_cassette},
    "/sessions/{id}/unplayed": {"GET": show_unplayed},
}
