"""Redacted cache: the redacted interactions of an open cassette, each redacted and formatted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vcr.request import Request

from tokentape_harness.cassettes.model import Interaction
from tokentape_harness.cassettes.writer import format_interaction
from tokentape_harness.recording.redactor import Redactor


class RedactedInteraction:
    """A redacted interaction, and its text in a YAML file."""

    def __init__(self, interaction: Interaction) -> None:
        self.interaction = interaction
        self._text: str | None = None

    @property
    def text(self) -> str:
        """Its part of the file."""
        if self._text is None:
            self._text = format_interaction(self.interaction)
        return self._text


class RedactedCache:
    """The redacted interactions by vcrpy's request and response objects, so that a save redacts only new ones.

    An interaction is redacted again if it contains a credential that was found after it was redacted.
    """

    def __init__(self, redactor: Redactor, build: Callable[[Request, dict[str, Any]], Interaction]) -> None:
        self._redactor = redactor
        self._build = build
        self._known: dict[tuple[int, int], _Entry] = {}

    def redacted(self, pairs: Iterable[tuple[Request, dict[str, Any]]]) -> list[RedactedInteraction]:
        """The redacted interactions of these requests and responses."""
        entries = {}
        for request, response in pairs:
            key = id(request), id(response)
            entries[key] = self._known.get(key) or _Entry(request, response, self._build(request, response))
        for key, entry in entries.items():
            if key not in self._known:
                self._redactor.learn(entry.plain)
        self._known = entries
        credentials = self._redactor.credentials
        return [entry.redacted_with(credentials, self._redactor) for entry in entries.values()]


class _Entry:
    def __init__(self, request: Request, response: dict[str, Any], plain: Interaction) -> None:
        self._kept = request, response  # while they live, no other object has their ids
        self.plain = plain
        self._redacted: RedactedInteraction | None = None
        self._count = 0

    def redacted_with(self, credentials: tuple[str, ...], redactor: Redactor) -> RedactedInteraction:
        """The interaction without any of these credentials."""
        if self._redacted is None or redactor.shows(self.plain, credentials[self._count :]):
            self._redacted = RedactedInteraction(redactor.interaction(self.plain))
        self._count = len(credentials)
        return self._redacted
