"""Failure: an error response of the proxy itself, in the provider's format."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote

from tokentape_fake_provider.answers.error_format import wire_for_errors
from tokentape_fake_provider.script.model import Error
from tokentape_fake_provider.wires import served_at
from tokentape_harness.recording.proxy.headers import RawHeaders
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

    def response(self, path: str, headers: RawHeaders) -> tuple[RawHeaders, bytes]:
        """Headers and body, in the format that the client of this path, with these headers, reads.

        `x-should-retry` is false if a retry would fail again.
        """
        if self.kind == _GRPC_KIND:
            message = quote(f"tokentape: {self.message}", safe=" ").encode()
            kind = (b"content-type", b"application/grpc")
            return [kind, (b"grpc-status", _UNIMPLEMENTED), (b"grpc-message", message)], b""
        wire = served_at(path) or wire_for_errors(path, headers)
        reply = wire.encode_error(Error(self.status, f"tokentape: {self.message}", code=self.kind))
        retry = () if self.retry else (("x-should-retry", "false"),)
        pairs = (*reply.headers, ("content-length", str(len(reply.body))), *retry)
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs], reply.body


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
