"""What Cohere's endpoints share: ids, `meta`, replies and refusals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import make_uuid
from tokentape_fake_provider.wires.cohere_chat import cohere_headers
from tokentape_fake_provider.wires.request_parts import json_type
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply


def invalid(problem: str) -> BadRequestError:
    """A refusal."""
    return BadRequestError(f"invalid request: {problem}")


def expect(name: str, value: Any, kind: type, wanted: str) -> None:
    """Check the type of a field. Raises `BadRequestError`."""
    if not isinstance(value, kind):
        raise invalid(f"{name} must be {wanted}, not {json_type(value)}")


def refuse_unknown(body: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise `BadRequestError` for a field that the endpoint doesn't have."""
    if unknown := [name for name in body if name not in known]:
        raise BadRequestError(f"unknown field: parameter '{unknown[0]}' is not a valid field", status=422)


def cohere_id(request: ProviderRequest, purpose: str) -> str:
    """The id of a response."""
    return make_uuid(request.seed, purpose)


def cohere_meta(version: str, billed: Mapping[str, int]) -> dict[str, Any]:
    """The version of the API, and what is billed."""
    return {"api_version": {"version": version}, **({"billed_units": billed} if billed else {})}


def cohere_reply(body: Any, request: ProviderRequest) -> Reply:
    """A successful response."""
    return Reply(200, (("content-type", "application/json"), *cohere_headers(request.seed)), msgspec.json.encode(body))
