"""Errors that a provider answers with, as typed exceptions."""

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
_PRIVATE_HEADERS = frozenset({"set-cookie", "authorization", "x-api-key", "api-key"})


def response_error(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float, secrets: Sequence[str] = ()
) -> ProviderError:
    """The error for an HTTP response that is not a success.

    `headers` have lower-case names, `now` is seconds since the epoch (a retry-after can be a date), and each
    of `secrets` is taken out of whatever the provider repeats.
    """
    for secret in secrets:
        if len(secret) >= 8:
            body = body.replace(secret.encode(), REDACTED.encode())
    kept = {name: value for name, value in headers.items() if name not in _PRIVATE_HEADERS}
    document = _document(body)
    said = _error_object(document)
    type_, code = _word(said.get("type")) or _word(said.get("status")), _word(said.get("code"))
    if type_ is None:
        # AWS says it in a header, as ThrottlingException:http://...
        type_ = _word(kept.get("x-amzn-errortype", "").partition(":")[0])
    message = _message(said, document)
    named = request_id(kept)
    if named is None and isinstance(document, dict):
        named = _word(document.get("request_id"))
    name = code if code is not None and not code.isdigit() else type_
    return provider_error_class(status, type_)(
        f"the provider answered {status}{f' ({name})' if name else ''}: {message}",
        status=status,
        type=type_,
        code=code,
        param=_word(said.get("param")),
        request_id=named,
        retry_after=retry_delay(said) if (wait := retry_after(kept, now=now)) is None else wait,
        headers=kept,
        body=document,
    )


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds to wait, of `retry-after-ms` or `retry-after` (seconds or an HTTP date); None if not said."""
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
    """The object that says what was wrong: OpenAI's and Anthropic's `error`, or the document itself."""
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


def _message(said: Mapping[str, Any], document: Any) -> str:
    for key in ("message", "Message", "detail", "msg"):
        value = said.get(key)
        if isinstance(value, str) and value:
            return value
        if value:
            return msgspec.json.encode(value).decode()[:500]
    text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
    return " ".join(text.split())[:200] or "(no body)"


def _word(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) and value != "" else None
