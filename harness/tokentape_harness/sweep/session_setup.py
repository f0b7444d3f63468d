"""Session setup: lets a session of the fake provider play a recording with the fault of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.session import Session
from tokentape_harness.sweep.plan import Cell
from tokentape_harness.sweep.subject import Subject
from tokentape_harness.testing.fake_provider import FakeProvider

# More requests than any client sends; further ones get a 404, which ends an agent that loops.
_ANSWERS: Final = 100

# How long a client may wait for a stalled stream: in virtual time, and in real time.
VIRTUAL_MS: Final = 3_600_000.0
REAL_MS: Final = 1000.0

# How long the server may take to record how a response ended.
_SETTLE_S: Final = 5.0


def patience_ms(session: Session, given_s: float | None) -> float:
    """How long a client may wait, in ms of the session's clock."""
    if given_s is not None:
        return given_s * 1000.0
    return VIRTUAL_MS if session.clock is not None and session.clock.automatic else REAL_MS


def set_up_session(
    session: Session,
    subject: Subject,
    cell: Cell,
    *,
    match: bool = False,
    times: int | None = 1,
    patience_s: float | None = None,
) -> None:
    """Let a session answer with the subject, damaged by the fault of the cell.

    Every request gets the same recording; with `match`, each gets the recording that matches it.
    """
    session.configure(strict=True, repeat=True)
    if match:
        session.add_recordings(subject.recordings)
    else:
        session.push(*[subject.tape] * _ANSWERS)
    session.add_faults(*cell.faults(patience_ms(session, patience_s), times, subject.number if match else 0))


def settled(provider: FakeProvider) -> Sequence[Entry]:
    """The journal, once every response has ended whose client still reads it."""
    if isinstance(provider.server, InProcessProvider):
        # It advances only while a client waits: a response that has not ended now has no reader.
        return provider.journal.entries
    try:
        return provider.journal.wait(timeout=_SETTLE_S)
    except TimeoutError:
        return provider.journal.entries
