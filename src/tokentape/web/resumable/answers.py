"""How the answer to a reader begins: its status and headers, and the body of an error."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tokentape.errors import ResumeError

log = logging.getLogger("tokentape.web")

NO_CONTENT = 204
"""The status for a reader that has read all: `EventSource` then stops reconnecting."""


class Refusal(NamedTuple):
    """A complete answer without events; `own_headers` take the place of the response's."""

    status: int
    own_headers: dict[str, str]
    body: bytes

    def headers(self, of_response: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the headers: those of the response too, such as the app's own for CORS, but for the type of events."""
        replaced = {"content-type", *self.own_headers}
        return [*(pair for pair in of_response if pair[0].lower() not in replaced), *self.own_headers.items()]


def refusal(error: ResumeError) -> Refusal:
    """Return the answer for an error, as JSON. What is wrong inside is logged, and no business of the reader."""
    message = str(error)
    if error.status >= 500:
        log.warning("a resumable response can't be read: %s", message)
        message = "the response can't be read at the moment: come back later"
    body = msgspec.json.encode({"error": {"type": type(error).__name__, "message": message}})
    headers = {"content-type": "application/json", "content-length": str(len(body)), "cache-control": "no-store"}
    return Refusal(error.status, headers, body)


NOTHING_LEFT = Refusal(NO_CONTENT, {"cache-control": "no-store"}, b"")
