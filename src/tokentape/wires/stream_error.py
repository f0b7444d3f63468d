"""Errors that a provider sends in a stream or a body, in OpenAI's error format and similar ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tokentape.errors import ProviderError, provider_error_class
from tokentape.wires.json_document import as_text

_STATUS = re.compile("[45][0-9][0-9]")
_CODES = ("status_code", "statusCode", "raw_status_code", "status", "code")
_MESSAGES = ("message", "detail", "msg", "error_message", "error_description", "error")
_REQUEST_IDS = ("request_id", "requestId")


def stream_error(error: Any, status: int | None = None) -> ProviderError:
    """Build the exception for an error that a provider sent: an object, a list of them, or a text."""
    while isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, Mapping) and isinstance(error.get("error"), Mapping) and not error.get("message"):
        error = error["error"]
    if not isinstance(error, Mapping):
        return provider_error_class(status)(str(error), status=status, body=error)
    kind, code = error.get("type"), error.get("code")
    for candidate in (error.get(key) for key in _CODES):
        if status is None and isinstance(candidate, int | str) and _STATUS.fullmatch(str(candidate)):
            status = int(candidate)
    kind = kind if isinstance(kind, str) else None
    message = next((text for key in _MESSAGES if (text := as_text(error.get(key)))), "")
    error_class = provider_error_class(status, kind)
    if error_class is ProviderError and isinstance(code, str):
        error_class = provider_error_class(None, code)
    return error_class(
        message or "the provider gave no message",
        status=status,
        type=kind,
        code=None if code is None else as_text(code) or str(code),
        param=error.get("param") if isinstance(error.get("param"), str) else None,
        body=error,
    )


def error_of(body: Mapping[str, Any], *, bare: bool = False) -> Any:
    """Return the error in an event without content, wherever it is; None if there is none.

    With `bare`, a `message` alone counts as an error.
    """
    for key in ("error", "errors"):
        if body.get(key):
            return body[key]
    if "error" in (body.get("object"), body.get("type")):
        return body
    if body.get("detail"):
        detail = body["detail"]
        return {**body, "message": as_text(detail) or str(detail)}
    failed = bool(body.get("code")) or any(_STATUS.fullmatch(str(body.get(key))) for key in _CODES)
    return body if isinstance(body.get("message"), str) and (bare or failed) else None


def request_id_of(body: Any) -> str | None:
    """Return the request id in an error event, beside the error or inside it."""
    if not isinstance(body, Mapping):
        return None
    for place in (body, body.get("error")):
        if isinstance(place, Mapping):
            for key in _REQUEST_IDS:
                if request_id := as_text(place.get(key)):
                    return request_id
    return None
