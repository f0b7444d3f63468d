"""Observation: what the provider sent in a scenario, when, and what telemetry arrived for it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from tokentape import ChatOutput, DecodeError, TokentapeError
from tokentape.wires import wire_named
from tokentape_conformance.telemetry.received import Received
from tokentape_fake_provider.playback.journal import Entry
from tokentape_harness.conversion.response_decoder import decode_chunks
from tokentape_harness.flush.marker_tokens import MarkerTokens


class Timeline:
    """When things happened, in unix time in s.

    `began` is before the reader's request to the app, `steps` are just before each token of the response `stepped` was
    sent, and each was sent when the one before had come out or the patience was over; `finished` is after the response,
    `settled` after its telemetry.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.steps: list[float] = []
        self.stepped: Entry | None = None
        self.finished = began
        self.settled = began


class Sent(NamedTuple):
    """One response of the provider, and what a client decodes from the bytes that were sent; None for an error."""

    entry: Entry
    output: ChatOutput | None

    @property
    def id(self) -> str:
        """The response's id; empty without one."""
        return str(self.output.metadata.get("id") or "") if self.output else ""

    @property
    def body(self) -> dict[str, Any]:
        """The app's request."""
        return self.entry.body if isinstance(self.entry.body, dict) else {}


class Observation(NamedTuple):
    """The model's responses, in order; the marker tokens that their text has; when; and the telemetry."""

    requests: tuple[Sent, ...]
    markers: tuple[MarkerTokens, ...]
    timeline: Timeline
    received: Received

    @property
    def main(self) -> int:
        """The number of the response whose tokens were sent one by one; an app may request others besides."""
        entries = [request.entry for request in self.requests]
        return entries.index(self.timeline.stepped) if self.timeline.stepped in entries else 0


def sent(entry: Entry) -> Sent:
    """What was sent of a response; it is not decoded as a stream, which an app in process may trace."""
    if entry.status is None or entry.status >= 400 or entry.wire is None:
        return Sent(entry, None)
    payload = entry.payload if isinstance(entry.payload, bytes) else b"".join(entry.payload or ())
    payload = payload[: entry.bytes_sent]
    try:
        return Sent(entry, decode_chunks([(payload, None)], entry.wire).output)
    except DecodeError:
        with suppress(TokentapeError):  # a whole response
            return Sent(entry, wire_named(entry.wire).decode_complete(payload, {}))
    return Sent(entry, None)
