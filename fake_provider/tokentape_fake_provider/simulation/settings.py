"""How the simulated model behaves: values, or one line such as `tools=always,turns=2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from tokentape_fake_provider.errors import SettingError

When = Literal["auto", "always", "never"]


class Simulation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the simulated model behaves where the request leaves it open.

    `tools` is when it calls the tools that a request offers with `auto`: in the first response to a message of the user
    (`auto`), in every response (`always`), or `never`. `turns` limits the responses with calls for each message of the
    user; `None` is 1 with `auto` and no limit with `always`. A request that forces a call always gets one. `words` is
    the length of the text, `reasoning` when it reasons: as the request decides (`auto`), `always` or `never`. With
    `caching` its usage follows the provider's prompt cache. Raises `SettingError` for other values.
    """

    tools: When = "auto"
    turns: int | None = None
    words: int = 60
    reasoning: When = "auto"
    caching: bool = True

    def __post_init__(self) -> None:
        # msgspec checks types only in JSON.
        for name, (wanted, allowed) in _FIELDS.items():
            value = getattr(self, name)
            if not allowed(value):
                raise SettingError(f"setting simulation: {name} {value!r} is not {wanted}")


def _is_when(value: Any) -> bool:
    return value in ("auto", "always", "never")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_WHEN: Final = ("one of auto, always, never", _is_when)
_FIELDS: Final = {
    "tools": _WHEN,
    "turns": ("a whole number from 0", lambda value: value is None or _is_count(value)),
    "words": ("a whole number from 0", _is_count),
    "reasoning": _WHEN,
    "caching": ("true or false", lambda value: isinstance(value, bool)),
}


_BOOLEANS: Final = {"true": True, "false": False}


def as_simulation(change: Simulation | Mapping[str, Any] | str, base: Simulation = Simulation()) -> Simulation:  # noqa: B008 - it is frozen
    """The settings: a value, or `base` with some fields changed, by name or in one line such as `tools=never,words=9`.

    Raises `SettingError`.
    """
    if isinstance(change, Simulation):
        return change
    changes = _parse(change) if isinstance(change, str) else change
    if not isinstance(changes, Mapping):
        raise SettingError(f"setting simulation: {change!r} is not an object with some of {', '.join(_FIELDS)}")
    for name in changes:
        if name not in _FIELDS:
            raise SettingError(f"setting simulation: no option {name!r}; it has {', '.join(_FIELDS)}")
    return msgspec.structs.replace(base, **changes)


def _parse(spec: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for option in filter(None, (part.strip() for part in spec.split(","))):
        name, equals, value = (part.strip() for part in option.partition("="))
        if not equals:
            raise SettingError(f"setting simulation: {option!r} is not of the form name=value")
        if name in changes:
            raise SettingError(f"setting simulation: {name} is given twice")
        changes[name] = int(value) if value.isascii() and value.isdecimal() else _BOOLEANS.get(value, value)
    return changes
