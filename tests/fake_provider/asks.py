"""Requests for tests of the wire formats."""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.wires import ProviderRequest, wire_named

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "openai_completions": "/v1/completions",
    "anthropic_messages": "/v1/messages",
    "bedrock_converse": "/model/anthropic.claude-v2:1/converse-stream",
    "bedrock_invoke": "/model/anthropic.claude-v2:1/invoke-with-response-stream",
    "gemini": "/v1beta/models/m:streamGenerateContent",
    "gemini_interactions": "/v1beta/interactions",
    "ollama": "/api/chat",
    "cohere_chat": "/v2/chat",
}
COMPLETE_PATHS = {
    "bedrock_converse": "/model/anthropic.claude-v2:1/converse",
    "bedrock_invoke": "/model/anthropic.claude-v2:1/invoke",
    "gemini": "/v1beta/models/m:generateContent",
}
"""Where the path says whether the answer is streamed."""
QUERIES = {"gemini": "alt=sse"}
CONTENT_TYPES = dict.fromkeys(("bedrock_converse", "bedrock_invoke"), "application/vnd.amazon.eventstream")
"""Of a stream that is not one of server-sent events."""
CONTENT_TYPES |= dict.fromkeys(("cohere_chat", "gemini", "gemini_interactions"), "text/event-stream")
CONTENT_TYPES["ollama"] = "application/x-ndjson"
BODY: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "How are you?"}],
    "stream": True,
}
BODIES: dict[str, dict[str, Any]] = {
    "openai_responses": {"model": "m", "input": "How are you?", "stream": True},
    "openai_completions": {"model": "m", "prompt": "How are you?", "stream": True},
    "bedrock_converse": {"messages": [{"role": "user", "content": [{"text": "How are you?"}]}]},
    "bedrock_invoke": {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "How are you?"}],
    },
    "gemini_interactions": {"model": "m", "input": "How are you?", "stream": True},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "How are you?"}]}]},
}
"""Where it is not `BODY`."""


def ask_of(wire: str, **fields: Any) -> ProviderRequest:
    """A streaming request; a field of `...` is left out."""
    body = {name: value for name, value in (BODIES.get(wire, BODY) | fields).items() if value is not ...}
    path = COMPLETE_PATHS.get(wire, PATHS[wire]) if fields.get("stream") is False else PATHS[wire]
    ask = wire_named(wire).read(path, body, created=1_800_000_000, seed="seed")
    return msgspec.structs.replace(ask, query=QUERIES.get(wire, ""))


def stream_of(wire: str, script: Script, **fields: Any) -> str:
    """The body of a streamed response."""
    return b"".join(piece.data for piece in wire_named(wire).encode_stream(script, ask_of(wire, **fields))).decode()


def readable(data: bytes) -> bytes:
    """A frame, with the base64 undone that InvokeModel's documents are in."""
    return re.sub(rb'"bytes":"([^"]*)"', lambda found: base64.b64decode(found[1]), data)
