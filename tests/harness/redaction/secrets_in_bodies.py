"""Keys of known forms, and streams that hold them."""

from __future__ import annotations

import itertools
import json

from tokentape_harness.cassettes.model import Interaction, Request, Response, StreamRecord

OPENAI = "sk-proj-Ab0_Cd1-Ef2Gh3Ij4Kl5Mn6Op7Qr8St9"
ANTHROPIC = "sk-ant-api03-" + "aB3_" * 23 + "-xyzAA"
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEow+/Ab0=\n" * 6 + "-----END RSA PRIVATE KEY-----"
KEYS = {
    "openai": OPENAI,
    "openai legacy": "sk-" + "aZ09" * 12,
    "openrouter": "sk-or-v1-" + "0a1b" * 16,
    "anthropic": ANTHROPIC,
    "google": "AIzaSy" + "D-3_" * 8 + "x",
    "google oauth": "ya29.a0Af_" + "xYz-9" * 8,
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "aws session": "ASIAY34FZKBOKMUTVV7A",
    "groq": "gsk_" + "aB3d" * 13,
    "xai": "xai-" + "aB3d" * 20,
    "hugging face": "hf_" + "aBcD" * 8 + "eF",
    "github": "ghp_" + "aB3d" * 9,
    "github fine": "github_pat_11ABCDEFG0" + "aB3d_" * 11,
    "slack": "xoxb-1234567890-1234567890123-" + "aB3d" * 6,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "private key": PRIVATE,
}


def sse(*parts: str, key="content") -> bytes:
    return b"".join(
        b"data: " + json.dumps({"id": "c", "choices": [{"index": 0, "delta": {key: part}}]}).encode() + b"\n\n"
        for part in parts
    )


def streamed(body: bytes, chunks=(), content_type="text/event-stream") -> Interaction:
    record = StreamRecord(tuple(chunks)) if chunks else None
    response = Response(200, "OK", (("content-type", content_type),), body, record)
    return Interaction(Request("POST", "https://api.example.com/v1/chat/completions"), response)


def text_of(body: bytes) -> str:
    """The deltas' text, joined."""
    events = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: ")]
    return "".join(json.loads(event)["choices"][0]["delta"]["content"] for event in events)


def pieces_of(text: str, cuts) -> list[str]:
    marks = sorted({0, len(text), *(at % (len(text) + 1) for at in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(marks)]
