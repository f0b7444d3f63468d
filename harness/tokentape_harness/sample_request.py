"""Sample request: what a client sends for a prompt, one row a wire format."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tokentape_fake_provider.wires import wire_named
from tokentape_harness.cassette import Request
from tokentape_harness.errors import UsageError


class _Row(NamedTuple):
    """Where the provider is, and the body beside model and messages."""

    origin: str
    fields: dict[str, Any]


_ROWS = {
    "openai_chat": _Row("https://api.openai.com", {"stream": True, "stream_options": {"include_usage": True}}),
    "anthropic_messages": _Row("https://api.anthropic.com", {"max_tokens": 1024, "stream": True}),
}


def sample_request(wire: str, model: str, prompt: str) -> Request:
    """A streaming request for one prompt. Raises `UnknownWireError`, `UsageError` for a wire format without a row."""
    path = wire_named(wire).paths[0]
    row = _ROWS.get(wire)
    if row is None:
        raise UsageError(f"no request is known for the wire format {wire}: take {' or '.join(_ROWS)}")
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], **row.fields}
    headers = (("content-type", "application/json"),)
    return Request("POST", row.origin + path, headers, msgspec.json.encode(body))
