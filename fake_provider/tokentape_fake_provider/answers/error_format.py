"""Spoken: the wire format whose error shape a client understands, where no wire format owns the path it asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tokentape_fake_provider.wires import WIRES, Wire

_OTHERWISE: Final = "openai_chat"
_PATHS: Final = (
    (r"/v1/messages\b|.*/publishers/anthropic/", "anthropic_messages"),
    # OpenRouter's, Azure's, Google's, Cohere's, Alibaba's and Fireworks' paths for OpenAI's format
    (r"/api/v1/|.*/(openai|endpoints/[^/]+|compatibility|compatible-mode|inference)/", "openai_chat"),
    (r"/(model|guardrail|async-invoke)\b", "bedrock_converse"),
    (
        r"/v1(alpha|beta)|.*/(projects|publishers)/|.*:\w*(Contents?|Tokens|Text|Message|Answer|LongRunning|[pP]redict)$",
        "gemini",
    ),
    (r"/api/", "ollama"),
    (r"/v2/", "cohere_chat"),
)
"""How such a path begins, and who has it."""
_HEADERS: Final = (
    (b"anthropic-version", b"", "anthropic_messages"),
    (b"x-goog-api-key", b"", "gemini"),
    (b"x-goog-api-client", b"", "gemini"),
    (b"x-amz-date", b"", "bedrock_converse"),
    (b"user-agent", b"boto3/", "bedrock_converse"),
    (b"user-agent", b"ollama", "ollama"),
    (b"user-agent", b"cohere/", "cohere_chat"),
)
"""A header, how its value begins (in lower case), and whose clients send that."""


def spoken(path: str, headers: Sequence[tuple[bytes, bytes]]) -> Wire:
    """What the path tells, else the headers (names in lower case); OpenAI's if neither does."""
    by_path = (wire for pattern, wire in _PATHS if re.match(pattern, path))
    by_header = (
        wire
        for wanted, begins, wire in _HEADERS
        for name, value in headers
        if name == wanted and value.lower().startswith(begins)
    )
    return WIRES[next(by_path, None) or next(by_header, _OTHERWISE)]
