"""Routes that save a request and its response: as a rule, or as a cassette."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.entry_detail import exchange_of, find_entry
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.control.plain import plain
from tokentape_fake_provider.control.responses import Refused
from tokentape_fake_provider.event_loops.worker_thread import run_in_thread
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.cassette_folder import new_cassette
from tokentape_fake_provider.sessions.condition import ToolResultMatch
from tokentape_fake_provider.sessions.exchange import ExchangeTools
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.wire import ProviderRequest

# How a response broke off, as the fault that breaks its script off as well.
_BROKEN_OFF: Final = {"dropped": "fin", "reset": "rst"}


class SaveRuleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST .../journal/{number}/rule: whether the session gets the rule, before all its other rules."""

    add: bool = False


class SavedRule(msgspec.Struct, frozen=True):
    """The rule, without the fields that have their default value."""

    rule: dict[str, Any]
    added: bool


class SaveCassetteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST .../journal/{number}/cassette: the name of a new file below the server's first cassette folder."""

    name: str


class SavedCassette(msgspec.Struct, frozen=True):
    """The path of the new file, relative to its folder."""

    path: str


@operation(status=201)
async def save_rule(
    api: Api,
    session: Session,
    request: Request,
    options: SaveRuleRequest = SaveRuleRequest(),  # noqa: B008 - immutable
) -> SavedRule:
    """Make a rule of what answered a request."""
    entry = find_entry(session, request)
    tools = _tools(api, entry)
    shown = entry.snapshot()
    rule = rule_for(
        entry, await run_in_thread(lambda: tools.script(exchange_of(shown, sent=shown.outcome in _BROKEN_OFF)))
    )
    if options.add:
        await api.change(session, lambda: session.replace_rules((rule, *session.rules)))
    return SavedRule(plain(rule), options.add)


@operation(status=201)
async def save_cassette(api: Api, session: Session, request: Request, options: SaveCassetteRequest) -> SavedCassette:
    """Save a request and its response as a cassette."""
    entry = find_entry(session, request)
    tools, folders = _tools(api, entry), api.config.folders
    path = new_cassette(folders, options.name)
    shown = entry.snapshot()
    await run_in_thread(lambda: tools.save(exchange_of(shown, sent=True), path))
    return SavedCassette(path.relative_to(folders[0].resolve()).as_posix())


def rule_for(entry: Entry, script: Script) -> Rule:
    """Return the rule that answers this request with this script: the same turn of a conversation."""
    body = entry.body if isinstance(entry.body, dict) else {}
    prompt = read_prompt(ProviderRequest(entry.wire or "", entry.model or "", stream=False, body=body))
    result = prompt.results[-1] if prompt.results else None
    fault = _BROKEN_OFF.get(entry.outcome)
    return Rule(
        (script,),
        wire=entry.wire,
        last_user=prompt.last_user or None,
        turn=prompt.turn or None,
        tool_result=False
        if result is None
        else ToolResultMatch(name=result.name or None, contains=result.text or None),
        faults=() if fault is None else (fault,),
    )


def _tools(api: Api, entry: Entry) -> ExchangeTools:
    """Return the tools, if there is something to save. Raises `Refused`."""
    if api.config.tools is None:
        raise Refused(501, "this server can't decode its responses", "start it with tokentape serve")
    if entry.outcome == "pending":
        raise Refused(409, f"the response to request {entry.number} is not over", "finish it, or cut it")
    if entry.status == SWITCHING_PROTOCOLS:
        raise Refused(409, f"request {entry.number} began a WebSocket", "record it with tokentape record")
    if entry.payload is None or entry.status is None:
        raise Refused(409, f"the bytes of the response to request {entry.number} are not kept", "send it again")
    return api.config.tools


_ENTRY: Final = "/sessions/{id}/journal/{number}"
ROUTES: Routes = {f"{_ENTRY}/rule": {"POST": save_rule}, f"{_ENTRY}/cassette": {"POST": save_cassette}}
