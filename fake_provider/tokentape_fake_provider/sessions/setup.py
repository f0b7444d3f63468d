"""What files have set up for a session: it is put in place, and later replaced, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.tape import Tape


class Setup(NamedTuple):
    """Settings, rules, queue and recordings of a session, ready to be used."""

    settings: SessionSettings = SessionSettings()
    rules: Sequence[Rule] = ()
    queue: Sequence[Script | Tape] = ()
    recordings: Sequence[Recording] = ()

    def has_recordings_of(self, other: Setup) -> bool:
        """Whether the recordings are the other's, each the same object."""
        return len(self.recordings) == len(other.recordings) and all(map(_same, self.recordings, other.recordings))


def _same(one: Recording, other: Recording) -> bool:
    return one is other
