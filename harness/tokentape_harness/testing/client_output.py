"""Client output: what a provider answered to a client, decoded."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from tokentape import ChatOutput
from tokentape_fake_provider.wires import wire_for_path, wire_named
from tokentape_harness.cassettes.model import Response
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.errors import UsageError


def output_of(response: Any, wire: str | None = None) -> ChatOutput:
    """The output in a response of httpx2, httpx or requests, streamed or not.

    `wire` can be omitted if the URL determines it. Raises `UsageError` if it does not, `UnknownWireError`,
    `DecodeError`, and the `ProviderError` of an error response.
    """
    if wire is None:
        path = unquote(urlsplit(str(response.url)).path)
        owner = wire_for_path(path)
        if owner is None:
            raise UsageError(f"the URL path {path!r} belongs to no wire format: pass wire=")
        wire = owner.name
    known = wire_named(wire).name
    headers = tuple((name, value) for name, value in response.headers.items() if name.lower() != "content-encoding")
    output = decode_response(Response(response.status_code, "", headers, response.content), known).output
    if output.error is not None:
        raise output.error
    return output
