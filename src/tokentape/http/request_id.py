"""The id that a provider gave a request, which its support team needs."""

from __future__ import annotations

from collections.abc import Mapping

_HEADERS = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-debug-trace-id",  # Cohere
    "x-amzn-requestid",
)


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the request id in a response's headers (lower-case names), or None."""
    return next((headers[name] for name in _HEADERS if headers.get(name)), None)
