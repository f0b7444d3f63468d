"""What answers a request of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tokentape_fake_provider.fault_injection.active_faults import ActiveFault
from tokentape_fake_provider.playback.journal import AnsweredBy
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.recording_store import Repetition
from tokentape_fake_provider.tape import Tape


class Taken(NamedTuple):
    """What answers a request, and the faults that are applied to it. `give_back` undoes the take.

    Of a recording, `normalised` is what was ignored when the two were compared; it has a `repetition` if an equal
    request will get the same.
    """

    what: Script | Tape
    by: AnsweredBy
    source: str
    active_faults: list[ActiveFault]
    give_back: Callable[[], None]
    normalised: tuple[str, ...] = ()
    repetition: Repetition | None = None
