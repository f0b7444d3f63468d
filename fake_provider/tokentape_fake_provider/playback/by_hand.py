"""What a person changes in a response while it is sent: pure functions of its tape, of which some frames were sent.

Times are in ms since the request. Frames that were sent already keep their times and their bytes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from tokentape_fake_provider.tape import Frame, Tape, TapeEnd

Cut: TypeAlias = Literal["close", "reset", "end"]
"""The connection is closed or reset, or the body ends as if it were complete."""

ENDS: dict[Cut, TapeEnd] = {"close": "dropped", "reset": "reset", "end": "complete"}


def ended(tape: Tape, sent: int | None, end: TapeEnd, now: float) -> Tape:
    """Return the tape with nothing more than this end, now; `sent` is `None` if not even the headers were sent."""
    if sent is None and end != "complete":
        return Tape(start=now, end=end, end_at=now, head=False)
    return msgspec.structs.replace(tape, frames=tape.frames[: sent or 0], end=end, end_at=now)


def continued(tape: Tape, sent: int | None, now: float, *, after: float = 0.0, factor: float = 1.0) -> Tape:
    """Return the tape with the rest `factor` times as fast, and `after` ms later.

    What is overdue, because the stream was held, begins now and keeps its distances.
    """
    if sent is None:
        since = min(now, tape.start)
    else:
        due = tape.frames[sent].at if sent < len(tape.frames) else tape.end_at
        since = now if due is None else min(now, due)

    def moved(at: float) -> float:
        return now + after + max(0.0, at - since) / factor

    rest = (Frame(moved(frame.at), frame.data) for frame in tape.frames[sent or 0 :])
    return msgspec.structs.replace(
        tape,
        frames=(*tape.frames[: sent or 0], *rest),
        start=moved(tape.start) if sent is None else tape.start,
        end_at=None if tape.end_at is None and not after else moved(tape.end_at or 0.0),
    )
