"""Routes that set up a session's responses, and list those that were never requested."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.control.plain import plain
from tokentape_fake_provider.control.responses import Refused
from tokentape_fake_provider.errors import CassetteAccessError
from tokentape_fake_provider.sessions.cassette_folder import find_cassette, recordings_of
from tokentape_fake_provider.sessions.queue_item import QueueEntry, queue_items
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
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


class QueueLength(msgspec.Struct, frozen=True):
    """The number of responses that are queued."""

    queued: int


class RuleCount(msgspec.Struct, frozen=True):
    """The number of rules."""

    rules: int


class LoadedCassette(msgspec.Struct, frozen=True):
    """The number of recordings that were loaded, and of all that the session has."""

    loaded: int
    recordings: int


class UnplayedItems(msgspec.Struct, frozen=True):
    """What was set up and never requested: the length of the queue, recordings, rules; and in words."""

    queue: int
    recordings: list[str]
    rules: list[Rule]
    summary: str


class CassetteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/cassettes: the name of a file in a cassette folder, or a name and the content of a file."""

    name: str
    content: str | None = None


@operation(status=201)
async def push(api: Api, session: Session, added: QueueRequest) -> QueueLength:
    """Queue responses: each answers one request, in order."""
    items = queue_items(added.items)

    def work() -> int:
        session.push(*items)
        return len(session.queue)

    return QueueLength(await api.change(session, work))


@operation()
async def show_queue(session: Session) -> Queue:
    """Show the queue."""
    return _queue(session)


@operation()
async def replace_queue(api: Api, session: Session, queue: QueueRequest) -> Queue:
    """Replace the queue."""
    items = queue_items(queue.items)
    while await api.change(session, session.drop_queued):
        pass
    await api.change(session, lambda: session.push(*items))
    return _queue(session)


def _queue(session: Session) -> Queue:
    return Queue([{"tape" if isinstance(item, Tape) else "script": plain(item)} for item in session.queue])


@operation()
async def show_rules(session: Session) -> Rules:
    """Show the rules."""
    return _rules(session)


@operation()
async def replace_rules(api: Api, session: Session, given: RulesRequest) -> Rules:
    """Replace the rules; those that stay keep their counts."""
    await api.change(session, lambda: session.replace_rules(given.rules))
    return _rules(session)


def _rules(session: Session) -> Rules:
    with session.lock:
        return Rules([plain(rule) for rule in session.rules], list(session.rule_counts))


@operation(status=201)
async def add_rule(api: Api, session: Session, rule: Rule) -> RuleCount:
    """Add a rule; the first one that applies answers."""

    def work() -> int:
        session.add_rule(rule)
        return len(session.rules)

    return RuleCount(await api.change(session, work))


@operation(status=201)
async def load_cassette(api: Api, session: Session, cassette: CassetteRequest) -> LoadedCassette:
    """Load the recordings of a cassette."""
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
    return LoadedCassette(len(recordings), len(session.recordings))


@operation()
async def show_unplayed(session: Session) -> UnplayedItems:
    """Show what was set up and never requested."""
    unplayed = session.unplayed
    labels = [recording.label for recording in unplayed.recordings]
    return UnplayedItems(len(unplayed.queue), labels, list(unplayed.rules), str(unplayed))


ROUTES: Routes = {
    "/sessions/{id}/queue": {"GET": show_queue, "POST": push, "PUT": replace_queue},
    "/sessions/{id}/rules": {"GET": show_rules, "POST": add_rule, "PUT": replace_rules},
    "/sessions/{id}/cassettes": {"POST": load_cassette},
    "/sessions/{id}/unplayed": {"GET": show_unplayed},
}
