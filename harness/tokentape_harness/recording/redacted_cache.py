"""Saved: the interactions of an open cassette as they stand in its file, each worked out once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vcr.request import Request

from tokentape_harness.cassettes.model import Interaction
from tokentape_harness.cassettes.writer import format_interaction
from tokentape_harness.recording.redactor import Redactor


class SavedInteraction:
    """One interaction, redacted; `text` is it in a YAML file."""

    def __init__(self, interaction: Interaction) -> None:
        self.interaction = interaction
        self._text: str | None = None

    @property
    def text(self) -> str:
        """Its part of the file."""
        if self._text is None:
            self._text = format_interaction(self.interaction)
        return self._text


class SavedInteractions:
    """What was saved before, by vcrpy's own objects: a cassette that grows is not redacted again from its start.

    An interaction is redacted again if it shows a credential that was not known before.
    """

    def __init__(self, redactor: Redactor, made: Callable[[Request, dict[str, Any]], Interaction]) -> None:
        self._redactor = redactor
        self._made = made
        self._known: dict[tuple[int, int], _Entry] = {}

    def of(self, pairs: Iterable[tuple[Request, dict[str, Any]]]) -> list[SavedInteraction]:
        """The interactions of these requests and responses."""
        entries = {}
        for request, response in pairs:
            key = id(request), id(response)
            entries[key] = self._known.get(key) or _Entry(request, response, self._made(request, response))
        for key, entry in entries.items():
            if key not in self._known:
                self._redactor.learn(entry.plain)
        self._known = entries
        credentials = self._redactor.credentials
        return [entry.saved_with(credentials, self._redactor) for entry in entries.values()]


class _Entry:
    def __init__(self, request: Request, response: dict[str, Any], plain: Interaction) -> None:
        self._kept = request, response  # as long as they live, nothing else has their ids
        self.plain = plain
        self._saved: SavedInteraction | None = None
        self._count = 0

    def saved_with(self, credentials: tuple[str, ...], redactor: Redactor) -> SavedInteraction:
        """It without any of these credentials."""
        if self._saved is None or redactor.shows(self.plain, credentials[self._count :]):
            self._saved = SavedInteraction(redactor.interaction(self.plain))
        self._count = len(credentials)
        return self._saved
