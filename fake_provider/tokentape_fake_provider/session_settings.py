"""Settings: how a session answers."""

from __future__ import annotations

from typing import Literal

import msgspec

from tokentape_fake_provider.faults.specification import Faults, as_faults
from tokentape_fake_provider.script import Usage
from tokentape_fake_provider.timing import Instant, Timing
from tokentape_fake_provider.wires.openai_dresses import DressName

ClockName = Literal["server", "controlled", "automatic"]


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a session answers.

    `timing` is when frames leave, `seed` what ids, synthetic text and jitter are made from, `usage` fills the
    fields that a script's own usage leaves open, `strict` refuses requests that nothing answers instead of
    making text up, `repeat` lets a recording answer again once all its like were played, `locale` is the
    synthetic text's language. `dress` is whose ways `openai_chat` has; `None` leaves it to the path and the model.
    `faults` happen to every response, in order; each may be a specification. `clock` is whose time it keeps: the
    server's, or one of its own that a test advances (`controlled`) or that moves on by itself (`automatic`).
    Raises `FaultError`.
    """

    timing: Timing = Instant()
    strict: bool = False
    seed: int = 0
    usage: Usage = Usage()
    repeat: bool = False
    locale: str = "en_US"
    dress: DressName | None = None
    faults: Faults = ()
    clock: ClockName = "server"

    def __post_init__(self) -> None:
        if self.faults:
            msgspec.structs.force_setattr(self, "faults", as_faults(self.faults))
