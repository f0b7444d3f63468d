"""Chooses the format of errors where the path has no wire format, and the status of a request without a recording."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tokentape_fake_provider.wires import WIRES, Wire

_OTHERWISE: Final = "openai_chat"

# The SDKs of OpenAI and Anthropic retry a 409 unless a header forbids it; these retry each one (cohere 7.3, ai 6).
_RETRY_CONFLICTS: Final = re.compile(rb"(?<![\w-])(?:cohere|ai-sdk/)", re.IGNORECASE)


def wire_for_errors(path: str, headers: Sequence[tuple[bytes, bytes]]) -> Wire:
    """The wire format by the path, else by the headers (names in lower case), else OpenAI's."""
    for wire in WIRES.values():
        if wire.facts.error_paths and re.match(wire.facts.error_paths, path):
            return wire
    for wire in WIRES.values():
        for wanted, begins in wire.facts.error_headers:
            if any(name == wanted and value.lower().startswith(begins) for name, value in headers):
                return wire
    return WIRES[_OTHERWISE]


def no_recording_status(headers: Sequence[tuple[bytes, bytes]], *, again: bool = False) -> int:
    """The status for a request that no recording answers: 409, or 422 for clients that retry every 409.

    `again` means that the same request got a 409 before: agents retry it themselves, whatever the headers of the
    response (gptme, for minutes). It is no 404, which agents take for an unknown model. `headers` are the request's,
    with names in lower case.
    """
    agent = next((value for name, value in headers if name == b"user-agent"), b"")
    return 422 if again or _RETRY_CONFLICTS.search(agent) else 409
