"""Error responses of providers as typed exceptions."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape.errors import ProviderError, provider_error_class
from tokentape.http.request_id import request_id
from tokentape.wires.google_error import retry_delay

REDACTED = "[redacted]"
_SECRET_HEADERS = frozenset({"set-cookie", "authorization", "x-api-key", "api-key"})


def response_error(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float, secrets: Sequence[str] = ()
) -> ProviderError:
    """Build the error for an HTTP response that is not a success.

    `headers` have lower-case names, `now` is in seconds since the epoch (a retry-after can be a date), and each
    of `secrets` is redacted where the provider repeats it.
    """
    for secret in secrets:
        if len(secret) >= 8:
            body = body.replace(secret.encode(), REDACTED.encode())
    visible_headers = {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
    document = _document(body)
    error = _error_object(document)
    type_, code = _string(error.get("type")) or _string(error.get("status")), _string(error.get("code"))
    if type_ is None:
        # AWS sends the type in a header: ThrottlingException:http://...
        type_ = _string(visible_headers.get("x-amzn-errortype", "").partition(":")[0])
    message = _message(error, document)
    response_request_id = request_id(visible_headers)
    if response_request_id is None and isinstance(document, dict):
        response_request_id = _string(document.get("request_id"))
    name = code if code is not None and not code.isdigit() else type_
    return provider_error_class(status, type_)(
        f"the provider answered {status}{f' ({name})' if name else ''}: {message}",
        status=status,
        type=type_,
        code=code,
        param=_string(error.get("param")),
        request_id=response_request_id,
        retry_after=retry_delay(error) if (wait := retry_after(visible_headers, now=now)) is None else wait,
        headers=visible_headers,
        body=document,
    )


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds to wait from `retry-after-ms` or `retry-after` (seconds or an HTTP date), or None."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) / per_second
        except (KeyError, ValueError):
            continue
        if math.isfinite(wait):
            return max(wait, 0.0)
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(date.timestamp() - now, 0.0)
    except (KeyError, ValueError, OverflowError):
        return None


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")


def _error_object(document: Any) -> Mapping[str, Any]:
    """Return the object that describes the error: the `error` of OpenAI and Anthropic, or the document itself."""
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return {}
    error = document.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {**document, "message": document.get("message") or error}
    return document


def _message(error: Mapping[str, Any], document: Any) -> str:
    for key in ("message", "Message", "detail", "msg"):
        value = error.get(key)
        if isinstance(value, str) and value:
            return value
        if value:
            return msgspec.json.encode(value).decode()[:500]
    text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
    return " ".join(text.split())[:200] or "(no body)"


def _string(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) and value != "" else None
