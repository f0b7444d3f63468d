"""What a session has that nobody requested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tokentape_fake_provider.script.description import describe
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.tape import Tape


class Unplayed(NamedTuple):
    """What was set up and never requested."""

    queue: Sequence[Script | Tape]
    recordings: Sequence[Recording]
    rules: Sequence[Rule]

    def __str__(self) -> str:
        parts = []
        if self.queue:
            parts.append(_listed("queued script", [describe(item) for item in self.queue]))
        if self.recordings:
            parts.append(_listed("recording", [recording.label for recording in self.recordings]))
        if self.rules:
            parts.append(f"{_counted(len(self.rules), 'rule')} never applied")
        return "; ".join(parts) or "everything was played"

    @property
    def empty(self) -> bool:
        """Whether everything was played (rules may stay unused)."""
        return not self.queue and not self.recordings


def _listed(noun: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{_counted(len(names), noun)} not played: {', '.join(names[:5])}{more}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
