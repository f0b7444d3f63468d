"""Failure: what the proxy itself answers, in a shape that the SDKs can show."""

from __future__ import annotations

from typing import NamedTuple

from tokentape_fake_provider.http.http_protocol import refuse_in_json
from tokentape_harness.redaction import redact_text


class Failure(NamedTuple):
    """A status, a word for what failed, and what happened; it is told without secrets."""

    status: int
    kind: str
    what: str
    retry: bool = False

    @property
    def message(self) -> str:
        """What to tell."""
        return redact_text(self.what)

    @property
    def body(self) -> bytes:
        """JSON in which the SDKs find their message: where OpenAI, Anthropic and Google have it, and where AWS has."""
        return refuse_in_json("", [], self.status, self.kind, f"tokentape: {self.message}")[1]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the answer; one that would fail again asks not to be tried again."""
        retry = [] if self.retry else [(b"x-should-retry", b"false")]
        size = str(len(self.body)).encode()
        return [(b"content-type", b"application/json"), (b"content-length", size), *retry]
