"""Own request: a request as its program sends it, and as a cassette holds it: without what belongs to its sender."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from vcr.request import Request

from tokentape_fake_provider.sessions.matching.normaliser import Named, Normaliser
from tokentape_harness.cassettes import model
from tokentape_harness.recording.redactor import plain_request
from tokentape_harness.recording.vcr_request import VcrRequest
from tokentape_harness.redaction import RedactionRules
from tokentape_harness.redaction.placeholders import request_values, with_request_placeholders
from tokentape_harness.redaction.websocket_placeholders import message_values


class OwnRequest:
    """A request of vcrpy, with what stands for the placeholders in its recording; both are found when needed."""

    def __init__(
        self,
        sent: Request,
        normaliser: Normaliser,
        rules: RedactionRules,
        messages: Sequence[str | bytes] | None = None,
    ) -> None:
        self.sent = sent
        self._normaliser = normaliser
        self._rules = rules
        self._messages = messages  # of the client, on the WebSocket that the request began

    @property
    def uri(self) -> str:
        """Its URI."""
        return str(self.sent.uri)

    @cached_property
    def values(self) -> Named:
        """What stands for placeholders in its recording."""
        if self._messages is not None:
            return message_values(self._messages, self._normaliser)
        return request_values(self._plain, self._normaliser, self._rules)

    @cached_property
    def recorded(self) -> Request:
        """The request with placeholders; the same object if it needs none."""
        plain = self._plain
        changed = with_request_placeholders(plain, self.values.own)
        if changed == plain:
            return self.sent
        body = self.sent.body if changed.body is None else changed.body
        return VcrRequest(changed.method, changed.uri, body, dict(changed.headers))

    @cached_property
    def _plain(self) -> model.Request:
        return plain_request(self.sent)
