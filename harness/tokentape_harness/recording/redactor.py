"""Redactor: vcrpy's requests and responses without their secrets, for one open cassette."""

from __future__ import annotations

import functools
import threading
from typing import Any

from vcr.cassette import Cassette
from vcr.request import Request

from tokentape_harness.cassettes import model as values
from tokentape_harness.redaction import RedactionRules, credentials_of, redact, redact_request


class Redactor:
    """Redacts by its rules, and remembers the credentials of what was recorded: no other interaction may show them."""

    def __init__(self, rules: RedactionRules) -> None:
        self._rules = rules
        self.credentials: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def keep(self, placeholder: str) -> None:
        """Leave a value as it is that the user named to stand for secrets."""
        with self._lock:
            self._rules = self._rules.adding(placeholders=[placeholder])

    def keeping(self, entry: Any) -> Any:
        """A filter of vcrpy's, a name or it and what stands there instead, whose placeholder is kept."""
        if not isinstance(entry, tuple):
            return entry
        name, value = entry
        if not callable(value):
            if isinstance(value, str):
                self.keep(value)
            return entry

        @functools.wraps(value)
        def replaced(**given: Any) -> Any:
            made = value(**given)
            if isinstance(made, str) and made != given.get("value"):
                self.keep(made)
            return made

        return name, replaced

    def watch(self, cassette: Cassette) -> None:
        """Learn the credentials of whatever is recorded, before any filter takes them out: echoes of them go, too."""
        append = cassette.append

        def learning(request: Request, response: dict[str, Any]) -> None:
            self.learn(values.Interaction(_plain(request), values.Response()))
            append(request, response)

        cassette.append = learning

    def request(self, request: Request) -> Request:
        """The request as the file has it: that is what it is compared with, and what errors show."""
        redacted = redact_request(_plain(request), self._rules)
        body = request.body if redacted.body is None else redacted.body
        return Request(redacted.method, redacted.uri, body, dict(redacted.headers))

    def response(self, request: Request, response: values.Response) -> values.Response:
        """The response to this request, as it was made."""
        interaction = values.Interaction(_plain(request), response)
        self.learn(interaction)
        return redact(interaction, self._rules).response

    def learn(self, interaction: values.Interaction) -> None:
        """Remember the credentials that it was made with."""
        with self._lock:
            found = dict.fromkeys((*self.credentials, *credentials_of(interaction, self._rules)))
            self.credentials = tuple(found)

    def interaction(self, interaction: values.Interaction) -> values.Interaction:
        """It without secrets, and without any credential that is remembered."""
        return redact(interaction, self._rules.adding(secrets=self.credentials))

    def shows(self, interaction: values.Interaction, credentials: tuple[str, ...]) -> bool:
        """Whether one of these credentials stands in it."""
        return bool(credentials) and redact(interaction, RedactionRules(secrets=credentials)) != interaction


def _plain(request: Request) -> values.Request:
    body: Any = request.body_bytes
    if isinstance(body, str):
        body = body.encode()
    headers = tuple((str(name), _text(value)) for name, value in request.headers.items())
    return values.Request(
        request.method, request.uri, headers, bytes(body) if isinstance(body, bytes | bytearray) else None
    )


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
