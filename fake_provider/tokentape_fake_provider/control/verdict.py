"""The route that judges the client of a session."""

from __future__ import annotations

from typing import Any

import msgspec

from tokentape_fake_provider.control.api import Api, Routes
from tokentape_fake_provider.control.journal import now_of
from tokentape_fake_provider.control.operation import Query, operation
from tokentape_fake_provider.control.responses import Refused
from tokentape_fake_provider.event_loops.worker_thread import run_in_thread
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.verdict.finding import KINDS, Verdict
from tokentape_fake_provider.verdict.judge import judge
from tokentape_fake_provider.verdict.settings import VerdictSettings


class VerdictQuery(Query, frozen=True):
    """GET /sessions/{id}/verdict: the settings of a verdict; `allow` has kinds of findings, separated by commas.

    With `ended` the client sends nothing more; else it may retry a failure of the last minute yet.
    """

    most_retries: int | None = None
    least_wait_ms: int | None = None
    early_ms: int | None = None
    longest_retry_after_ms: int | None = None
    unread_ms: int | None = None
    cancel_ms: int | None = None
    allow: str = ""
    certain_only: bool = False
    ended: bool = False


@operation()
async def show_verdict(api: Api, session: Session, query: VerdictQuery) -> Verdict:
    """Judge how resilient the client of this session is, by its journal."""
    given: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(query).items() if value is not None and name != "ended"
    }
    given["allow"] = [name for name in query.allow.split(",") if name]
    if unknown := next((name for name in given["allow"] if name not in KINDS), None):
        raise Refused(400, f"no kind of finding {unknown!r}", f"use {', '.join(KINDS)}", "?allow")
    settings, now_ms = VerdictSettings().changed(**given), now_of(api, session)
    entries = session.journal.entries
    return await run_in_thread(lambda: judge(entries, settings, now_ms=now_ms, runs=not query.ended))


ROUTES: Routes = {"/sessions/{id}/verdict": {"GET": show_verdict}}
