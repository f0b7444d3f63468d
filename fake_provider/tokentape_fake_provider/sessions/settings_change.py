"""A change of a session's settings, as the control API and rules files have it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tokentape_fake_provider.faults.specification import Faults
from tokentape_fake_provider.script.model import Usage
from tokentape_fake_provider.sessions.settings import ClockName, SessionSettings
from tokentape_fake_provider.timing import Timing
from tokentape_fake_provider.wires.openai_dialects import DialectName


class SettingsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to change; `timing` and `simulation` are an object or a specification, `dress` the former `dialect`."""

    timing: str | Timing | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    repeat: bool | UnsetType = UNSET
    locale: str | UnsetType = UNSET
    dialect: DialectName | UnsetType | None = UNSET
    faults: Faults | UnsetType = UNSET
    clock: ClockName | UnsetType = UNSET
    simulation: str | dict[str, Any] | UnsetType = UNSET
    validate: bool | UnsetType = UNSET
    normalise: bool | dict[str, bool] | list[str] | UnsetType = UNSET
    ignore_path: list[str] | UnsetType = UNSET
    ignore_text: list[str] | UnsetType = UNSET
    hold: bool | UnsetType = UNSET
    models: list[str] | UnsetType = UNSET
    dress: DialectName | UnsetType | None = UNSET

    @property
    def changes(self) -> dict[str, Any]:
        """The settings that change, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}

    def applied(self, settings: SessionSettings) -> SessionSettings:
        """Return the settings with these changes. Raises the errors of `SessionSettings`."""
        return settings.changed(**self.changes)
