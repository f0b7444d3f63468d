"""Events of Chat Completions, and responses that are opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def chunk(text: str) -> bytes:
    """One event of Chat Completions."""
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()


DONE = b"data: [DONE]\n\n"
PATH = "/v1/chat/completions"
Opened = tuple[str, Callable[[str], Any], Callable[[Any], Any]]
"""A wire format, the client for a URL, and what opens its stream."""
