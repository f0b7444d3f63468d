"""HTTP error responses as typed exceptions."""

from __future__ import annotations

import json

import pytest

from tests.corpus import ROOT
from tokentape.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from tokentape.http.response_error import response_error, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT

OPENAI = b'{"error": {"message": "No such model", "type": "invalid_request_error", "param": "model", "code": "m"}}'
ANTHROPIC = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_b"}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, BadRequestError),
        (418, BadRequestError),
        (422, BadRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (503, OverloadedError),
        (529, OverloadedError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[ProviderError]) -> None:
    """The class is decided by the status."""
    assert type(response_error(status, {}, OPENAI, now=NOW)) is kind


def test_openai_errors_are_read() -> None:
    """Message, type, code, param and request id are the provider's own."""
    error = response_error(404, {"x-request-id": "req_h", "set-cookie": "id=1"}, OPENAI, now=NOW)
    assert (error.message, str(error)) == ("the provider answered 404 (m): No such model",) * 2
    assert (error.status, error.type, error.code, error.param) == (404, "invalid_request_error", "m", "model")
    assert (error.request_id, error.retry_after) == ("req_h", None)
    assert error.headers == {"x-request-id": "req_h"}
    assert error.body == json.loads(OPENAI)


def test_anthropic_errors_are_read() -> None:
    """The request id is taken from the header, else from the body."""
    error = response_error(529, {"retry-after": "7"}, ANTHROPIC, now=NOW)
    assert (error.type, error.code, error.request_id, error.retry_after) == (
        "overloaded_error",
        None,
        "req_b",
        7.0,
    )
    assert response_error(529, {"request-id": "req_h"}, ANTHROPIC, now=NOW).request_id == "req_h"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "(no body)"),
        (b"<html>\n <b>502</b> Bad Gateway</html>", "<html> <b>502</b> Bad Gateway</html>"),
        (b'{"error": "model not found"}', "model not found"),
        (b'{"detail": [{"loc": ["body"], "msg": "missing"}]}', '[{"loc":["body"],"msg":"missing"}]'),
        (b'[{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}]', "bad"),
        (b'{"object": "error", "message": "gone"}', "gone"),
        (b'{"error": null}', '{"error":null}'),
        (b"null", "null"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[" * 100_000, "[" * 200),
    ],
)
def test_any_body_gives_a_message(body: bytes, message: str) -> None:
    """Gateways answer in their own shapes, or in none."""
    error = response_error(502, {}, body, now=NOW)
    assert str(error).endswith(f": {message}")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0.0),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "later"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds and dates all become seconds from now."""
    assert retry_after(headers, now=NOW) == seconds


def test_a_repeated_key_is_taken_out_everywhere() -> None:
    """A provider that repeats the key in its error does not get it into ours."""
    key = "sk-verysecretkey"
    body = json.dumps({"error": {"message": f"Incorrect API key: {key}", "code": key}}).encode()
    error = response_error(401, {"authorization": f"Bearer {key}"}, body, now=NOW, secrets=(key,))
    assert "Incorrect API key: [redacted]" in str(error)
    assert key not in repr((str(error), error.code, error.body, error.headers))


def _recorded() -> list[dict]:  # type: ignore[type-arg]
    index = ROOT / "streams.jsonl"
    if not index.exists():
        return []
    items = [json.loads(line) for line in index.read_text().splitlines()]
    return [item for item in items if item["kind"] == "error_response"]


@pytest.mark.skipif(not _recorded(), reason="no recorded streams beside the repository")
def test_recorded_errors_have_the_providers_message() -> None:
    """Each recorded error response gives an error whose message is a string of its body."""
    from tests.corpus import all_items

    by_id = {item.id: item for item in all_items()}
    seen = 0
    for entry in _recorded():
        item = by_id.get(entry["id"])
        if item is None:
            continue
        seen += 1
        error = response_error(item.status, {}, item.body, now=NOW)
        message = str(error).partition(": ")[2]
        assert message, item.id
        assert error.status == item.status
        assert json.dumps(message)[1:-1] in json.dumps(json.loads(item.body)), item.id
    assert seen
