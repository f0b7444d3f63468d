"""One exchange with a provider, recorded, and what the command reports of it later."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2

from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.cassettes.model import Interaction

KEY = "sk-proj-Ab0_Cd1-Ef2Gh3Ij4Kl5Mn6Op7Qr8St9"
NEW_KEY = "sk-proj-Zz9_Yy8-Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0"
CHAT = {"model": "m", "stream": True, "max_tokens": 50, "messages": [{"role": "user", "content": "How deep?"}]}
REQUESTS = {
    "openai_chat": ("/v1/chat/completions", CHAT | {"stream_options": {"include_usage": True}}, "OPENAI_API_KEY"),
    "openai_responses": ("/v1/responses", {"model": "m", "stream": True, "input": "How deep?"}, "OPENAI_API_KEY"),
    "anthropic_messages": ("/v1/messages", CHAT, "ANTHROPIC_API_KEY"),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "How deep?"}]}]},
        "GEMINI_API_KEY",
    ),
}
HEADERS = {
    "openai_chat": {"authorization": f"Bearer {KEY}", "openai-organization": "org-1234567890"},
    "openai_responses": {"authorization": f"Bearer {KEY}"},
    "anthropic_messages": {"x-api-key": KEY, "anthropic-version": "2023-06-01", "cookie": "session=abcdef0123456789"},
    "gemini": {"x-goog-api-key": KEY},
}


class Ran:
    """What a command did."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def record(server, path: Path, wire="openai_chat", body=None, headers=None) -> Interaction:
    """Record one exchange with the server as it is now; the server then forgets it."""
    target, content, _ = REQUESTS[wire]
    with use_cassette(path, record_mode="new_episodes"):
        httpx2.post(server.url + target, json=body or content, headers=HEADERS[wire] if headers is None else headers)
    server.received.clear()
    return read_cassette(path).interactions[-1]


def local(text: str, server) -> str:
    """The output without the port, which differs."""
    return text.replace(server.url.removeprefix("http://"), "localhost:1")


def events(body: bytes, change) -> bytes:
    """The body with each event of JSON changed."""
    lines = []
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            value = json.loads(line[6:])
            line = b"data: " + json.dumps(change(value) or value).encode()
        lines.append(line)
    return b"\n".join(lines)


def renamed(value):
    """`content` becomes `text`: a decoder finds no text any more."""
    for choice in value.get("choices", ()):
        if "content" in choice["delta"]:
            choice["delta"]["text"] = choice["delta"].pop("content")
