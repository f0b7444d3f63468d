"""How the answer to a reader begins: its status and headers, and the body of an error."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tokentape.errors import ResumeError

NO_CONTENT = 204
"""The status for a reader that has read all: `EventSource` then stops reconnecting."""


class Refusal(NamedTuple):
    """A complete answer without events."""

    status: int
    headers: dict[str, str]
    body: bytes


def refusal(error: ResumeError) -> Refusal:
    """Return the answer for an error, as JSON."""
    body = msgspec.json.encode({"error": {"type": type(error).__name__, "message": str(error)}})
    headers = {"content-type": "application/json", "content-length": str(len(body)), "cache-control": "no-store"}
    return Refusal(error.status, headers, body)


NOTHING_LEFT = Refusal(NO_CONTENT, {"cache-control": "no-store"}, b"")
