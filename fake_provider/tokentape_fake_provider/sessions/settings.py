"""The settings of a session."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import msgspec

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.faults.specification import Faults, as_faults
from tokentape_fake_provider.script.locales import text_locale
from tokentape_fake_provider.script.model import Usage
from tokentape_fake_provider.timing import Instant, Timing, parse_timing
from tokentape_fake_provider.wires.openai_dialects import DressName, dress_name

ClockName = Literal["server", "controlled", "automatic"]


_ENGLISH: Final = "en_US"


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a session answers.

    `timing` is when frames leave, `seed` what ids, synthetic text and jitter are made from, `usage` fills the
    fields that a script's own usage leaves open, `strict` refuses requests that nothing answers instead of
    making text up, `repeat` lets a recording answer again once all its like were played, `locale` is the
    synthetic text's language. `dress` is whose ways `openai_chat` has; `None` leaves it to the path and the model.
    `faults` happen to every response, in order; each may be a specification. `clock` is whose time it keeps: the
    server's, or one of its own that a test advances (`controlled`) or that moves on by itself (`automatic`).
    `timing` may be a specification, too. Raises `SettingError`, `FaultError`, `TimingError`, `UnknownDressError`, and
    `ScriptError` for a locale without text.
    """

    timing: Timing = Instant()
    strict: bool = False
    seed: int = 0
    usage: Usage = Usage()
    repeat: bool = False
    locale: str = _ENGLISH
    dress: DressName | None = None
    faults: Faults = ()
    clock: ClockName = "server"

    def __post_init__(self) -> None:
        if self.faults:
            msgspec.structs.force_setattr(self, "faults", as_faults(self.faults))
        given: Any = self.timing
        if isinstance(given, str):
            msgspec.structs.force_setattr(self, "timing", parse_timing(given))
        # Only what comes as JSON was checked against the types above.
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            try:
                if not isinstance(value, msgspec.Struct):
                    msgspec.convert(value, kind)
                elif not isinstance(value, kind):
                    raise msgspec.ValidationError(f"it is a {type(value).__name__}")
            except msgspec.ValidationError as error:
                choices = f": the known ones are {', '.join(get_args(kind))}" if name == "clock" else f": {error}"
                raise SettingError(f"setting {name}: {value!r} is none{choices}") from None
        if self.dress is not None:
            dress_name(self.dress)
        if self.locale != _ENGLISH:
            text_locale(self.locale)


_KINDS: Final[dict[str, Any]] = {
    "timing": Timing,
    "strict": bool,
    "seed": int,
    "usage": Usage,
    "repeat": bool,
    "locale": str,
    "clock": ClockName,
}
