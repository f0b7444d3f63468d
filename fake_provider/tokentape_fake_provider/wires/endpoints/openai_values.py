"""What the endpoints of OpenAI's format share: replies, and the refusal of unknown fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.openai_choices import dialect_of
from tokentape_fake_provider.wires.openai_http import openai_headers
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply


def openai_reply(body: Any, request: ProviderRequest) -> Reply:
    """A successful response, with the headers of its dialect."""
    dialect = dialect_of(request)
    headers = openai_headers(request, request.seed) if dialect is None else dialect.headers(request.seed)
    return Reply(200, (("content-type", "application/json"), *headers), msgspec.json.encode(body))


def refuse_unknown(body: Mapping[str, Any], known: Iterable[str], *, status: int = 400) -> None:
    """Raise `BadRequestError` for the fields that the endpoint doesn't have."""
    unknown = [name for name in body if name not in known]
    if unknown:
        raise BadRequestError(f"Unrecognized request argument supplied: {', '.join(unknown)}", status=status)
