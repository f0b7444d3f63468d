"""What readers of a resumable response get."""

from __future__ import annotations

from tokentape.web import ResumableResponses

STOPPED = b'event: done\ndata: {"finish_reason":null,"usage":{},"stopped":true}\n\n'


def body(responses: ResumableResponses, id: str = "a", last: str | None = None) -> bytes:  # noqa: A002
    """All that a reader gets."""
    return b"".join(responses.open(id, last).frames())


def ended(responses: ResumableResponses, id: str = "a") -> None:  # noqa: A002
    """Wait until a response has ended."""
    body(responses, id)
