"""Judge: the verdict on the client that sent the requests of a journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.verdict.attempts import attempts_of, repeats_of
from tokentape_fake_provider.verdict.connections import cancel_findings, left_open_findings
from tokentape_fake_provider.verdict.conversations import (
    Conversations,
    acceptance_findings,
    broken_stream,
    side_effect_findings,
    slow_cancel_findings,
)
from tokentape_fake_provider.verdict.finding import KINDS, Finding, Verdict
from tokentape_fake_provider.verdict.observed import ObservedRequest
from tokentape_fake_provider.verdict.retries import retry_findings
from tokentape_fake_provider.verdict.sdks import remedy_for, sdk_of
from tokentape_fake_provider.verdict.seen import Seen
from tokentape_fake_provider.verdict.settings import VerdictSettings

# How long after a failure a client that still runs may send its retry: the longest back-off of the SDKs, about.
_PATIENCE_MS = 60_000.0


def judge(
    entries: Sequence[Entry],
    limits: VerdictSettings | None = None,
    *,
    accepted: bool | None = None,
    cancelled_at: float | None = None,
    now_ms: float | None = None,
    runs: bool = False,
) -> Verdict:
    """Judge the client that sent these requests.

    What a journal can't show, the caller can report: `accepted` is whether the app took its result as complete, or
    reported an error; `cancelled_at` (unix time in s) when the test cancelled it. `now_ms` is the time of the session's
    clock, which open streams are judged by; a client that still `runs` may retry a recent failure yet.
    """
    limits = limits or VerdictSettings()
    requests = [ObservedRequest(entry) for entry in entries if entry.method == "POST"]
    conversations = Conversations(requests)
    quiet_since = now_ms - _PATIENCE_MS if runs and now_ms is not None else None
    found = [
        *acceptance_findings(conversations),
        *retry_findings(attempts_of(requests), conversations, limits, quiet_since),
        *side_effect_findings(conversations, repeats_of(requests)),
        *left_open_findings(requests, limits, now_ms),
        *slow_cancel_findings(conversations, limits, now_ms),
    ]
    if cancelled_at is not None:
        found += cancel_findings(requests, limits, cancelled_at, now_ms)
    known = {one.number for seen in found for one in seen.requests}
    open_ended = [one for one in _last_broken(requests, conversations) if one.number not in known]
    if accepted:
        evidence = "the test reports that the app took it as complete"
        found += [broken_stream(one, True, evidence) for one in open_ended]
    notes = [*_notes(requests, open_ended if accepted is None else ())]
    order = list(KINDS)
    reported = [
        one for one in found if one.kind not in limits.allow and (one.certainty == "certain" or not limits.certain_only)
    ]
    findings = sorted(map(_finding, reported), key=lambda one: (order.index(one.kind), one.requests))
    return Verdict(len(entries), findings, notes)


def _finding(seen: Seen) -> Finding:
    sdk = sdk_of(seen.requests[0].headers)
    return Finding(
        seen.kind,
        seen.certainty,
        [one.number for one in seen.requests],
        [round(one.arrived, 1) for one in seen.requests],
        seen.text,
        KINDS[seen.kind].why,
        remedy_for(seen.kind, sdk),
        "" if sdk is None else sdk.label,
    )


def _last_broken(requests: Sequence[ObservedRequest], conversations: Conversations) -> list[ObservedRequest]:
    """The broken streams after which the client sent nothing more for the same conversation."""
    continued = {one.number for follow_up in conversations.follow_ups for one in follow_up.before}
    return [
        one
        for one in requests
        if one.broken and one.number not in continued and one.number == conversations.same_as(one)[-1].number
    ]


def _notes(requests: Sequence[ObservedRequest], undecided: Sequence[ObservedRequest]) -> Iterator[str]:
    for one in undecided:
        yield f"{one.failure}, and the client sent nothing after it: whether it noticed is not visible here"
    for one in requests:
        if one.entry.outcome == "pending":
            yield f"request {one.number}: its response has not ended"
