"""Errors as all of Google's APIs send them (google.rpc.Status; cloud.google.com/apis/design/errors)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import make_id
from tokentape_fake_provider.script.model import Error
from tokentape_fake_provider.wires.facts import Provider
from tokentape_fake_provider.wires.limits import retry_after
from tokentape_fake_provider.wires.wire import Reply

STATUSES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

GOOGLE = Provider(
    "gemini",
    "https://generativelanguage.googleapis.com",
    sdk="google-genai",
    base_urls=("GOOGLE_GEMINI_BASE_URL",),
    keys=("GEMINI_API_KEY",),
    key_header="x-goog-api-key",
)
OVERLOADED = Error(503, "The model is overloaded. Please try again later.")

JSON_TYPE = ("content-type", "application/json; charset=UTF-8")

_TYPE = "type.googleapis.com/google.rpc."


def headers(seed: str) -> tuple[tuple[str, str], ...]:
    """The headers that Google's servers send with every answer; there is no request id among them."""
    return (
        ("vary", "Origin, X-Origin, Referer"),
        ("x-xss-protection", "0"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
        ("server-timing", f"gfet4t7; dur={make_id(seed, 'timing', 3, '123456789')}"),
    )


def error_object(error: Error) -> dict[str, Any]:
    """The `error` object: `type` is its status, `code` the reason in an ErrorInfo, `param` a field violation."""
    status = error.type or STATUSES.get(error.status, "INTERNAL" if error.status >= 500 else "FAILED_PRECONDITION")
    fields: dict[str, Any] = {"code": error.status, "message": error.message, "status": status}
    details: list[dict[str, Any]] = []
    if error.code is not None:
        details.append({"@type": _TYPE + "ErrorInfo", "reason": error.code, "domain": "googleapis.com"})
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": [violation]})
    if error.retry_after is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{error.retry_after:g}s"})
    return fields | {"details": details} if details else fields


def not_supported(model: str, method: str) -> BadRequestError:
    """The error for a model that does not have a method."""
    return BadRequestError(
        f"models/{model} is not found for API version v1beta, or is not supported for {method}. Call ListModels to see "
        "the list of available models and their supported methods.",
        status=404,
    )


def error_reply(error: Error, seed: str, *, listed: bool = False) -> Reply:
    """An HTTP error; `listed` where the answer would have been a JSON array."""
    body = {"error": error_object(error)}
    text = pretty([body] if listed else body)
    return Reply(error.status, (JSON_TYPE, *headers(seed), *retry_after(error)), text + b"\n")


def pretty(value: Any) -> bytes:
    """JSON as Google's servers indent it."""
    return _escaped(json.dumps(value, indent=2, ensure_ascii=False))


def on_one_line(value: Any) -> bytes:
    """JSON as Google's servers write it into an event."""
    return _escaped(json.dumps(value, separators=(",", ": "), ensure_ascii=False))


def _escaped(text: str) -> bytes:
    # In strings only: JSON has no other place for these.
    for character in "<>\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()
