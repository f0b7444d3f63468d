"""A rules file: all that the control API can set up, in the same words and the same structs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from tokentape_fake_provider.sessions.queue_item import QueueEntry
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.settings_change import SettingsChange

SessionName = Annotated[str, Meta(pattern=r"^(?!\.{1,2}$|default$)[A-Za-z0-9._~-]{1,200}$(?!\n)")]


class SessionSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one session gets: settings, rules, a queue, and the cassettes of these paths."""

    settings: Annotated[SettingsChange, Meta(description="How the session answers: the settings to change.")] = (
        SettingsChange()
    )
    rules: Annotated[
        tuple[Rule, ...], Meta(description="The first rule whose conditions all hold answers a request.")
    ] = ()
    queue: Annotated[
        tuple[QueueEntry, ...], Meta(description="Responses that answer one request each, in order, before any rule.")
    ] = ()
    cassettes: Annotated[
        tuple[str, ...], Meta(description="Cassettes and folders of cassettes, by their paths from this file.")
    ] = ()


class RulesFile(SessionSetup, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the default session gets, and other sessions by name; its settings are those of every session."""

    sessions: Annotated[
        dict[SessionName, SessionSetup], Meta(description="Sessions, whose base URLs begin with /s/NAME.")
    ] = {}
    schema: Annotated[str, Meta(description="The JSON Schema of this file, for editors.")] = msgspec.field(
        name="$schema", default=""
    )

    def setups(self) -> dict[str, SessionSetup]:
        """The sessions by name; the one of the empty name is the default session."""
        return {"": self, **self.sessions}
