"""Connections: streams that a client neither reads nor closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tokentape_fake_provider.verdict.observed import ObservedRequest
from tokentape_fake_provider.verdict.seen import Seen
from tokentape_fake_provider.verdict.settings import VerdictSettings


def left_open_findings(
    requests: Sequence[ObservedRequest], limits: VerdictSettings, now_ms: float | None
) -> Iterator[Seen]:
    """Streams whose next frame was due for long, and that the client had not closed either."""
    for request in requests:
        entry, ended = request.entry, now_ms if request.ended is None else request.ended
        due = entry.next_due
        if entry.outcome not in ("pending", "client_left") or entry.by_hand or ended is None or due is None:
            continue
        unread = ended - request.arrived - max(due, *entry.left[-1:], 0.0)
        if unread > limits.unread_ms:
            end = "closed" if entry.outcome == "client_left" else "was still open"
            text = (
                f"the stream of request {request.number} was not read for {unread:.0f} ms "
                f"({entry.frames_sent} of {entry.frames_planned} frames were sent), and then {end}"
            )
            yield Seen("left_open", "certain", [request], text)


def cancel_findings(
    requests: Sequence[ObservedRequest], limits: VerdictSettings, cancelled_at: float, now_ms: float | None
) -> Iterator[Seen]:
    """Streams that stayed open after the test cancelled them, at this unix time in s."""
    for request in requests:
        entry = request.entry
        ended = now_ms if request.ended is None else request.ended
        if ended is None or entry.time > cancelled_at:
            continue
        late = ended - request.arrived - (cancelled_at - entry.time) * 1000
        if late > limits.cancel_ms:
            text = f"the stream of request {request.number} was open for {late:.0f} ms after it was cancelled"
            yield Seen("slow_cancel", "certain", [request], text)
