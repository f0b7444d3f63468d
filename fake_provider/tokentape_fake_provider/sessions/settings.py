"""The settings of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.faults.specification import Faults, as_faults
from tokentape_fake_provider.script.locales import text_locale
from tokentape_fake_provider.script.model import Usage
from tokentape_fake_provider.sessions.matching.ignored_parts import as_ignored_parts
from tokentape_fake_provider.simulation.settings import Simulation, as_simulation
from tokentape_fake_provider.timing import Instant, Timing, parse_timing
from tokentape_fake_provider.wires.openai_dialects import DialectName, dialect_name

ClockName = Literal["server", "controlled", "automatic"]


_ENGLISH: Final = "en_US"


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a session answers.

    `timing` is when frames leave; with `hold` each stream waits, whatever its timing, until it is stepped or released.
    `seed` is the seed of ids, synthetic text and jitter; `usage` fills the fields that a script's own usage leaves
    open. `strict` refuses requests that nothing answers, instead of answering with synthetic
    text; `repeat` lets a recording answer again when all recordings of the same request were played; `locale` is the
    language of synthetic text. `dialect` is the provider whose variant of `openai_chat` is sent; with `None` the path
    and the model decide. `faults` are applied to every response, in order. `clock` is the server's, or the session's
    own, which a test advances (`controlled`) or which advances by itself (`automatic`). `simulation` is how the model
    behaves that answers what nothing else does; `validate` refuses requests in its place as the provider does.
    `normalise` says which volatile parts of requests are ignored where no recording is exactly the same: all, none, or
    by class (`{"dates": False}`, a list); `ignore_path` and `ignore_text` are JSON paths and regular expressions of
    more. `models` are the ids that lists of models show, and the only ones that can be retrieved; without any, those of
    the recordings and of the server. `timing`, `simulation` and each fault may be a specification. `dress` is the
    former name of `dialect`.

    Raises `SettingError`, `FaultError`, `TimingError`, `UnknownDialectError`, and `ScriptError` for a locale without
    text.
    """

    timing: Timing = Instant()
    strict: bool = False
    seed: int = 0
    usage: Usage = Usage()
    repeat: bool = False
    locale: str = _ENGLISH
    dialect: DialectName | None = None
    faults: Faults = ()
    clock: ClockName = "server"
    simulation: Simulation = Simulation()
    validate: bool = True
    normalise: bool | Mapping[str, bool] | Sequence[str] = True
    ignore_path: Sequence[str] = ()
    ignore_text: Sequence[str] = ()
    hold: bool = False
    models: Sequence[str] = ()
    dress: DialectName | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        if self.dress is not UNSET:
            msgspec.structs.force_setattr(self, "dialect", self.dress)
            msgspec.structs.force_setattr(self, "dress", UNSET)
        if self.faults:
            msgspec.structs.force_setattr(self, "faults", as_faults(self.faults))
        given: Any = self.timing
        if isinstance(given, str):
            msgspec.structs.force_setattr(self, "timing", parse_timing(given))
        msgspec.structs.force_setattr(self, "simulation", as_simulation(self.simulation))
        as_ignored_parts(self.normalise, self.ignore_path, self.ignore_text)
        # msgspec checks the types above only in JSON.
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            try:
                if not isinstance(value, msgspec.Struct):
                    msgspec.convert(value, kind)
                elif not isinstance(value, kind):
                    raise msgspec.ValidationError(f"it is a {type(value).__name__}")
            except msgspec.ValidationError as error:
                choices = f"one of {', '.join(get_args(kind))}" if name == "clock" else f"valid: {error}"
                raise SettingError(f"setting {name}: {value!r} is not {choices}") from None
        if self.dialect is not None:
            dialect_name(self.dialect)
        if self.locale != _ENGLISH:
            text_locale(self.locale)

    def changed(self, **changes: Any) -> SessionSettings:
        """The settings with some changed, by name; of `simulation`, only the fields that are named. Raises as above."""
        if "simulation" in changes:
            changes["simulation"] = as_simulation(changes["simulation"], self.simulation)
        return msgspec.structs.replace(self, **changes)


_KINDS: Final[dict[str, Any]] = {
    "timing": Timing,
    "strict": bool,
    "seed": int,
    "usage": Usage,
    "repeat": bool,
    "locale": str,
    "clock": ClockName,
    "validate": bool,
    "hold": bool,
    "models": tuple[str, ...],
}
