"""Findings: how a new answer differs from the recorded one, and how much that matters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal, get_args

import msgspec

from tokentape import ChatOutput, ProviderPart, TokentapeError
from tokentape_fake_provider.wires import wire_named
from tokentape_harness.cassettes.chunks import format_ms
from tokentape_harness.cassettes.model import Cassette, Interaction
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_response
from tokentape_harness.lint.diff import ChangeKind, SchemaChange, compare

Severity = Literal["breaks", "events", "fields", "timing"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""From the worst: what our decoders can't read, events, fields, and times or another order of the events."""

_OF_CHANGE: Final[Mapping[ChangeKind, Severity]] = {
    "content type": "events",
    "new event": "events",
    "gone event": "events",
    "new field": "fields",
    "gone field": "fields",
    "type": "fields",
    "order": "timing",
}
_TYPES: Final = re.compile(r" was ([\w ]+), now ([\w ]+)$")
# A first token is slower if it takes this many times as long, and this much longer in ms.
_SLOWER: Final = 3.0
_LONGER_MS: Final = 1000.0


class Finding(msgspec.Struct, frozen=True):
    """One difference: how severe it is, its kind, and what differs."""

    severity: Severity
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def find_drift(recorded: Interaction, before: DecodedResponse, answer: Interaction, wire: str) -> list[Finding]:
    """The differences of an answer from the recorded one, the worst first; values are ignored.

    The model decides whether it writes a text, calls a tool or shows its reasoning: an answer that holds more, or less
    and nothing new, is only checked for what our decoders read. `before` is the decoded recorded answer.
    """
    return sorted(_findings(recorded, before, answer, wire), key=lambda finding: SEVERITIES.index(finding.severity))


def _findings(recorded: Interaction, before: DecodedResponse, answer: Interaction, wire: str) -> Iterator[Finding]:
    response = answer.response
    if response.status >= 400:
        yield Finding("breaks", "status", f"was {recorded.response.status}, now {response.status}")
        return
    changes = [change for change in compare(Cassette((recorded,)), Cassette((answer,))) if _matters(change, wire)]
    try:
        after = decode_response(response, wire)
    except TokentapeError as error:
        yield Finding("breaks", "undecodable", f"not a response of {wire} ({error})")
    else:
        yield from _lost(before, after)
        yield from _slower(before, after)
        was, now = _held(before.output), _held(after.output)
        is_new = any(change.kind in ("new event", "new field") for change in changes)
        if was != now and not (now < was and is_new):
            changes = [change for change in changes if change.kind == "content type"]
    for change in changes:
        yield Finding(_OF_CHANGE[change.kind], change.kind, change.what)


def _matters(change: SchemaChange, wire: str) -> bool:
    """Whether a change can be one of the format; pings come at any time, and a value may be null at times."""
    if change.kind in ("new event", "gone event"):
        return not wire_named(wire).ping.startswith(f"event: {change.what}\n".encode())
    types = _TYPES.search(change.what) if change.kind == "type" else None
    if types is not None:
        was, now = ({*text.split(" or ")} - {"null"} for text in types.groups())
        return bool(was and now) and was != now
    return change.kind in _OF_CHANGE


def _kinds(output: ChatOutput) -> frozenset[str]:
    """What the messages of an output hold, apart from reasoning."""
    found: dict[str, object] = {"text": output.text}
    for message in output.messages:
        found |= {"tool call": message.tool_calls, "refusal": message.refusal}
    return frozenset(name for name, value in found.items() if value)


def _held(output: ChatOutput) -> frozenset[str]:
    """Everything that the messages of an output hold."""
    parts = {part.kind for message in output.messages for part in message.parts if isinstance(part, ProviderPart)}
    return _kinds(output) | parts | ({"reasoning"} if any(m.reasoning for m in output.messages) else set())


def _lost(before: DecodedResponse, after: DecodedResponse) -> Iterator[Finding]:
    """What a caller of the library no longer gets."""
    if after.truncated:
        yield Finding("breaks", "end", "the stream has no terminal event any more")
    was, now = before.output, after.output
    kinds = _kinds(was)
    if kinds and not _kinds(now) and now.finish_reason != "length":
        yield Finding("breaks", "content", f"no {' or '.join(sorted(kinds))} can be read from it any more")
    if was.finish_reason is not None and now.finish_reason is None and not after.truncated:
        yield Finding("breaks", "finish reason", f"was {was.finish_reason}, now missing")
    for name in ("input", "output"):
        if getattr(was.usage, name) is not None and getattr(now.usage, name) is None and not after.truncated:
            yield Finding("breaks", "usage", f"no {name} tokens are reported any more")


def _slower(before: DecodedResponse, after: DecodedResponse) -> Iterator[Finding]:
    was, now = _first_content(before), _first_content(after)
    if was is not None and now is not None and now > was * _SLOWER and now > was + _LONGER_MS:
        yield Finding("timing", "first token", f"was after {format_ms(round(was))} ms, now {format_ms(round(now))} ms")


def _first_content(response: DecodedResponse) -> float | None:
    return next(
        (
            at
            for message, at in response.chunks
            if message.text or message.reasoning or message.tool_call_deltas or message.tool_calls
        ),
        None,
    )
