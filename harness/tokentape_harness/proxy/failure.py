"""Failure: an error response of the proxy itself, in a format that SDKs show."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote

from tokentape_fake_provider.http.http_protocol import refuse_in_json
from tokentape_harness.redaction import redact_text

_GRPC_KIND: Final = "grpc"
_UNIMPLEMENTED: Final = b"12"


class Failure(NamedTuple):
    """A status, an error code, and a description, which is redacted before it is sent or reported."""

    status: int
    kind: str
    description: str
    retry: bool = False

    @property
    def message(self) -> str:
        """The description without secrets."""
        return redact_text(self.description)

    @property
    def body(self) -> bytes:
        """JSON with the message where the SDKs of OpenAI, Anthropic, Google and AWS look for it; empty for gRPC."""
        if self.kind == _GRPC_KIND:
            return b""
        return refuse_in_json("", [], self.status, self.kind, f"tokentape: {self.message}")[1]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the response; `x-should-retry` is false if a retry would fail again."""
        if self.kind == _GRPC_KIND:
            message = quote(f"tokentape: {self.message}", safe=" ").encode()
            kind = (b"content-type", b"application/grpc")
            return [kind, (b"grpc-status", _UNIMPLEMENTED), (b"grpc-message", message)]
        retry = [] if self.retry else [(b"x-should-retry", b"false")]
        size = str(len(self.body)).encode()
        return [(b"content-type", b"application/json"), (b"content-length", size), *retry]


NOT_SIGNED: Final = Failure(
    403,
    "not_signed",
    "requests to AWS are signed only for clients that know this run's address: take the base URL from "
    "TOKENTAPE_PROXY_URL or AWS_ENDPOINT_URL_BEDROCK_RUNTIME, or from what tokentape record prints",
)

GRPC: Final = Failure(
    200,  # the status is in headers of gRPC's own
    _GRPC_KIND,
    "gRPC is not recorded: let the client use HTTP (transport='rest' in clients of Google)",
)
