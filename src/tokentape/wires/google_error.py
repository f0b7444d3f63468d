"""Errors in the format of all of Google's APIs (google.rpc.Status)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tokentape.errors import ProviderError, provider_error_class
from tokentape.wires.json_document import as_text
from tokentape.wires.openai_usage import count

# The values of google.rpc.Code, with the HTTP status that each is sent with.
_STATUSES: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "INVALID_REQUEST": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def google_error(error: Any) -> ProviderError:
    """Build the exception for an `error` object: `code` is an HTTP status, `status` the name of the error."""
    while isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, Mapping) and isinstance(error.get("error"), Mapping) and not error.get("message"):
        error = error["error"]
    if not isinstance(error, Mapping):
        return ProviderError(str(error), body=error)
    code, name = error.get("code"), error.get("status")
    number = count(error, "code")
    status = number if number is not None and 400 <= number < 600 else None
    kind = next((word for word in (name, error.get("type"), code) if isinstance(word, str)), None)
    if status is None and kind is not None:
        status = _STATUSES.get(kind.upper())
    return provider_error_class(status, kind)(
        as_text(error.get("message")) or "the provider gave no message",
        status=status,
        type=kind,
        code=None if code is None else str(code),
        retry_after=retry_delay(error),
        body=error,
    )


def retry_delay(error: Mapping[str, Any]) -> float | None:
    """Return the seconds to wait from the `retryDelay` ("34.5s") in the details of an error, or None."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                wait = float(delay[:-1])
            except ValueError:
                continue
            if math.isfinite(wait):
                return max(wait, 0.0)
    return None
