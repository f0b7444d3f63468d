"""A request as its session received it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.cached_contents import with_cached_content
from tokentape_fake_provider.answers.response_context import INPUT_TOKENS, RESPONSES, with_context
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.wires.openai_dialects import with_dialect
from tokentape_fake_provider.wires.reading.fields import OBJECT
from tokentape_fake_provider.wires.request_parts import json_type, texts_in
from tokentape_fake_provider.wires.wire import ProviderRequest, Wire


class ReceivedRequest(msgspec.Struct, frozen=True):
    """A request, its number in the session, the settings by then, and how many are in flight with it.

    `incoming` is what its wire format reads; `None` where the path belongs to none, or where it can't be read.
    `refusal` is why the provider would refuse it, which it does unless something that was set up answers.
    """

    session: Session
    http: HttpRequest
    settings: SessionSettings
    number: int
    in_flight: int
    incoming: IncomingRequest | None = None
    refusal: BadRequestError | None = None

    @property
    def request(self) -> ProviderRequest | None:
        """The request as it was read."""
        return None if self.incoming is None else self.incoming.request

    def read(self, wire: Wire) -> tuple[ProviderRequest | None, BadRequestError | None]:
        """The request as this wire format reads it, if it can, and why the provider would refuse it."""
        http, body, refusal = self.http, self.http.body, None
        if not isinstance(body, OBJECT):
            problem = http.problem or f"it is {json_type(body)}"
            return None, BadRequestError(
                f"The request body is not a JSON object ({problem}): send one, as application/json."
            )
        try:
            if wire.name in (RESPONSES, INPUT_TOKENS):
                body = with_context(self.session.stored, body)
            elif (inner := body.get("generateContentRequest")) is not None:
                body = {**body, "generateContentRequest": self._with_cached_content(inner)}
            else:
                body = self._with_cached_content(body)
        except BadRequestError as error:
            refusal = error
        try:
            request = wire.read(http.path, body, created=http.created, seed=self._seed)
            if http.query:
                request = replace(request, query=http.query)
            return with_dialect(request, self.settings.dialect, http.headers), refusal
        except BadRequestError as error:
            return None, error

    def read_anyway(self, wire: Wire) -> ProviderRequest:
        """The request as this wire format reads it, or as much of it as is known."""
        request, _ = self.read(wire)
        if request is not None:
            return request
        http = self.http
        body = http.body if isinstance(http.body, Mapping) else {}
        model = body.get("model")
        return ProviderRequest(
            wire=wire.name,
            model=model if isinstance(model, str) and model else "tokentape",
            stream=body.get("stream") is True,
            text="\n".join(texts_in([body.get(name) for name in ("system", "messages", "prompt", "input")])),
            created=http.created,
            seed=self._seed,
            body=body,
            path=http.path,
            query=http.query,
        )

    @property
    def _seed(self) -> str:
        return f"{self.settings.seed}:{self.number}"

    def _with_cached_content(self, body: Any) -> Any:
        """The body with the content of Gemini's that it names, if it names any."""
        if not isinstance(body, OBJECT) or body.get("cachedContent") is None:
            return body
        return with_cached_content(self.session.prompt_cache, body, self.http.now / 1000)


def receive(session: Session, http: HttpRequest) -> ReceivedRequest:
    """Count a request, and read it if its path belongs to a wire format."""
    received = ReceivedRequest(session, http, session.settings, session.next_number(), session.journal.in_flight + 1)
    if http.wire is None or http.method != "POST":
        return received
    request, refusal = received.read(http.wire)
    return replace(received, incoming=None if request is None else IncomingRequest(request), refusal=refusal)
