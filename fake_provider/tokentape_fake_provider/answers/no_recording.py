"""The error for a request that no recording answers: what was expected in its place, and what is nearest."""

from __future__ import annotations

from typing import Final

from tokentape_fake_provider.answers.answer import Answer, error_answer
from tokentape_fake_provider.answers.error_format import no_recording_status
from tokentape_fake_provider.answers.queue_message import queue_has_run_out
from tokentape_fake_provider.answers.received_request import ReceivedRequest
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.sessions.recording_store import Miss
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires.wire import Wire

_SHOWN: Final = 5


def no_recording_answer(received: ReceivedRequest, wire: Wire | None, miss: Miss) -> Answer | None:
    """The error of a strict session; `None` if it is not strict."""
    if wire is None or not received.settings.strict or received.http.listed:
        return None
    played, incoming = received.session.played, received.incoming
    reason = f"{miss}"
    if played and incoming is not None:
        run_out = queue_has_run_out(played, incoming)
        reason = f"{run_out} {miss}" if miss.recordings else run_out
    if incoming is not None and (expected := _expectations(received.session, incoming)):
        reason = f"{reason} {expected}" if miss.recordings else expected
    message = f"{reason} Queue a script, add a rule, load or record a cassette, or turn strict off."
    return error_answer(wire, status_for(received), message, "no_recording", request=received.request)


def status_for(received: ReceivedRequest) -> int:
    """The status for a request that nothing may answer, which depends on whether it had a 409 before."""
    http = received.http
    again = any(
        entry.status == 409 and entry.answered_by == "error" and (entry.path, entry.raw_body) == (http.path, http.raw)
        for entry in received.session.journal.entries
    )
    return no_recording_status(http.headers, again=again)


def near_misses(received: ReceivedRequest, miss: Miss) -> tuple[NearMiss, ...]:
    """The nearest rule and the nearest recording, that with fewer differences first."""
    rule = None if received.incoming is None else received.session.nearest_rule(received.incoming)
    if rule is None and miss.nearest is None:
        return ()
    found = (near for near in (rule, miss.near) if near is not None)
    return tuple(sorted(found, key=lambda near: len(near.differences)))


def _expectations(session: Session, incoming: IncomingRequest) -> str:
    """What the session expects in place of this request, in words; empty without rules for a number of times."""
    expected = session.expected(incoming)
    if not expected:
        return ""
    rules = [f"{miss.name} (here {'; '.join(map(str, miss.differences))})" for miss in expected[:_SHOWN]]
    more = f", and {len(expected) - _SHOWN} more" if len(expected) > _SHOWN else ""
    return f"This request is not expected. Expected: {', '.join(rules)}{more}."
