"""Requests for tests of the wire formats."""

from __future__ import annotations

from typing import Any

from tokentape_fake_provider.script import Script
from tokentape_fake_provider.wires import Ask, wire_named

PATHS = {"openai_chat": "/v1/chat/completions", "anthropic_messages": "/v1/messages"}
BODY: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "How are you?"}],
    "stream": True,
}


def ask_of(wire: str, **fields: Any) -> Ask:
    """A streaming request; a field of `...` is left out."""
    body = {name: value for name, value in (BODY | fields).items() if value is not ...}
    return wire_named(wire).read(PATHS[wire], body, created=1_800_000_000, seed="seed")


def stream_of(wire: str, script: Script, **fields: Any) -> str:
    """The body of a streamed response."""
    return b"".join(piece.data for piece in wire_named(wire).encode_stream(script, ask_of(wire, **fields))).decode()
