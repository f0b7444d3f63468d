"""The bodies that are decoded: real-shaped streams of any length."""

from __future__ import annotations

from typing import Any

from tokentape_fake_provider.encode import encode
from tokentape_fake_provider.script import Script, Text, Usage
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import wire_named

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"stream_options": {"include_usage": True}}),
    "anthropic_messages": ("/v1/messages", {"max_tokens": 100_000}),
}


def stream_body(wire: str, events: int) -> bytes:
    """A streamed response with about so many events, as the fake provider sends it."""
    pieces = tuple(f" word{number % 100}" for number in range(events))
    script = Script.of(Text("".join(pieces), pieces=pieces), usage=Usage(input=10, output=events))
    path, extra = REQUESTS[wire]
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hi"}], **extra}
    ask = wire_named(wire).read(path, body, created=1_790_000_000, seed="bench")
    return encode(script, ask, Instant()).body
