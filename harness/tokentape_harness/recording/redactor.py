"""Redactor: removes the secrets from the requests and responses of one open cassette."""

from __future__ import annotations

import functools
import threading
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from vcr.cassette import Cassette
from vcr.request import Request

from tokentape_fake_provider.tape import WebSocket, WebSocketFrame
from tokentape_harness.cassettes import model as values
from tokentape_harness.recording.vcr_request import VcrRequest
from tokentape_harness.redaction import RedactionRules, credentials_of, redact
from tokentape_harness.redaction.redact import without_secrets
from tokentape_harness.redaction.searched import SearchedTexts


class Redactor:
    """Redacts by its rules, and removes the credentials of every recorded request from all interactions."""

    def __init__(self, rules: RedactionRules) -> None:
        self.rules = rules
        """What is redacted; the user's placeholders are added to it."""
        self.credentials: tuple[str, ...] = ()
        self._rules_and_credentials = rules
        self._lock = threading.Lock()
        self._searched = SearchedTexts()

    def keep(self, placeholder: str) -> None:
        """Keep this placeholder of the user unchanged."""
        with self._lock:
            self.rules = self.rules.adding(placeholders=[placeholder])
            self._rules_and_credentials = self.rules.adding(secrets=self.credentials)

    def keeping(self, entry: Any) -> Any:
        """A filter of vcrpy (a name, or a name and its replacement) whose replacement is kept as a placeholder."""
        if not isinstance(entry, tuple):
            return entry
        name, value = entry
        if not callable(value):
            if isinstance(value, str):
                self.keep(value)
            return entry

        @functools.wraps(value)
        def replace(**arguments: Any) -> Any:
            new = value(**arguments)
            if isinstance(new, str) and new != arguments.get("value"):
                self.keep(new)
            return new

        return name, replace

    def watch(self, cassette: Cassette) -> None:
        """Learn the credentials of each recorded request before a filter removes them: a response may repeat them.

        Each request is filtered once, though vcrpy asks for it whenever it searches.
        """
        append, filtered = cassette.append, cassette._before_record_request
        known: WeakKeyDictionary[Request, Request | None] = WeakKeyDictionary()
        results: WeakSet[Request] = WeakSet()

        def filtered_once(request: Request) -> Request | None:
            if request in results:
                return request
            if request not in known:
                known[request] = filtered(request)
                if known[request]:
                    results.add(known[request])
            return known[request]

        def learning(request: Request, response: dict[str, Any]) -> None:
            self.learn(values.Interaction(plain_request(request), values.Response()))
            append(request, response)

        cassette.append, cassette._before_record_request = learning, filtered_once

    def request(self, request: Request) -> Request:
        """The request as the file holds it; it is matched and shown in errors in this form."""
        plain = plain_request(request)
        # As in the file, which holds the credentials of no request before this one.
        self.learn(values.Interaction(plain, values.Response()))
        redacted = without_secrets(plain, self._rules_and_credentials, self._searched)
        if redacted == plain and redacted.body == request.body and redacted.headers == tuple(request.headers.items()):
            return request  # vcrpy has copied it
        body = request.body if redacted.body is None else redacted.body
        return VcrRequest(redacted.method, redacted.uri, body, dict(redacted.headers))

    def message(self, request: Request, data: str | bytes) -> str | bytes:
        """The client's message on the WebSocket that this unredacted request began, as the file holds it."""
        record = values.StreamRecord(websocket=WebSocket((WebSocketFrame(0.0, "client", data),)))
        redacted = redact(values.Interaction(plain_request(request), values.Response(stream=record)), self.rules)
        assert redacted.websocket is not None
        return redacted.websocket.frames[0].data

    def response(self, request: Request, response: values.Response) -> values.Response:
        """The response to this unredacted request, without its secrets."""
        self.learn(values.Interaction(plain_request(request), response))
        return self.interaction(values.Interaction(values.Request(request.method, ""), response)).response

    def learn(self, interaction: values.Interaction) -> None:
        """Remember the credentials of its request."""
        with self._lock:
            found = credentials_of(interaction, self.rules, self._searched)
            if not set(found) <= set(self.credentials):
                self.credentials = tuple(dict.fromkeys((*self.credentials, *found)))
                self._rules_and_credentials = self.rules.adding(secrets=self.credentials)

    def interaction(self, interaction: values.Interaction) -> values.Interaction:
        """The interaction without secrets and without any remembered credential."""
        return redact(interaction, self._rules_and_credentials, self._searched)

    def shows(self, interaction: values.Interaction, credentials: tuple[str, ...]) -> bool:
        """Whether the interaction contains one of these credentials."""
        return bool(credentials) and redact(interaction, RedactionRules(secrets=credentials)) != interaction


def plain_request(request: Request) -> values.Request:
    """A request of vcrpy as a value."""
    body: Any = request.body_bytes
    if isinstance(body, str):
        body = body.encode()
    headers = tuple((str(name), _text(value)) for name, value in request.headers.items())
    return values.Request(
        request.method, request.uri, headers, bytes(body) if isinstance(body, bytes | bytearray) else None
    )


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
