"""Wording: a variation that changes the outcome, in words of the stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import assert_never

from tokentape_harness.doctor.change import Change, Variation
from tokentape_harness.doctor.stream import Stream, ordinal

_NAMED = 3


def describe(
    changes: Variation, streams: Sequence[Stream], ended: Sequence[int] = (), before: Sequence[int] = ()
) -> str:
    """What is different with these changes: `two events arrive in one read`.

    `ended` and `before` are the requests in the order in which their responses ended, with the changes and without.
    """
    phrases = list(_phrases(changes, streams))
    timed = all(change.kind in ("late", "pause") for change in changes)
    if (timed or len(phrases) > _NAMED) and (order := _order(changes, ended, before)):
        return order
    if len(phrases) > _NAMED:
        phrases = [*phrases[:_NAMED], f"{len(phrases) - _NAMED} more changes"]
    several = len(streams) > 1 and bool({change.request for change in changes})
    where = f" (in the response to the {ordinal(changes[0].request)} request)" if several else ""
    return " and ".join(dict.fromkeys(phrases)) + where


def _order(changes: Variation, ended: Sequence[int], before: Sequence[int]) -> str:
    """Which stream ends before which, that did not: of a pair with a response that was held up."""
    late = {change.request for change in changes}
    pairs = ((one, other) for one in late for other in ended if {one, other} <= {*before} & {*ended})
    for one, other in pairs:
        if before.index(one) < before.index(other) and ended.index(other) < ended.index(one):
            return f"the {ordinal(other)} request's response ends before the {ordinal(one)}'s"
    return ""


def _phrases(changes: Variation, streams: Sequence[Stream]) -> Iterator[str]:
    """The phrase of each change; reads that join several events in a row have one."""
    for _, group in groupby(
        enumerate(sorted(changes)), lambda item: (item[1].kind, item[1].request, item[1].event - item[0])
    ):
        found = [change for _, change in group]
        stream = streams[found[0].request]
        if found[0].kind in ("join", "merge") and len(found) > 1 and not any(change.byte for change in found):
            first = found[0].event - (found[0].kind == "join")
            nouns = dict.fromkeys(stream.noun(event) for event in range(first, first + len(found) + 1))
            what = "read" if found[0].kind == "join" else "event"
            yield f"{len(found) + 1} events arrive in one {what} ({', '.join(nouns)})"
        else:
            yield from (_phrase(change, stream) for change in found)


def _phrase(change: Change, stream: Stream) -> str:
    event = change.event
    match change.kind:
        case "join" if not change.byte:
            return f"{_pair(stream, event - 1)} arrive in one read"
        case "join":
            return f"an event arrives in one read ({stream.noun(event)})"
        case "split" if not change.byte:
            return f"{_pair(stream, event - 1)} arrive in separate reads"
        case "split":
            return _split_inside(stream, event, change.byte)
        case "pause" if change.byte:
            return f"a pause of {change.ms / 1000:g} s comes inside an event ({stream.noun(event)})"
        case "pause" if event == 0:
            return f"a pause of {change.ms / 1000:g} s comes between the headers and the first event"
        case "pause":
            return f"a pause of {change.ms / 1000:g} s comes between {_pair(stream, event - 1)}"
        case "late":
            return f"the response begins {change.ms / 1000:g} s later"
        case "comment":
            return f"a comment line comes before {stream.noun(event)}"
        case "blank":
            return f"an empty line comes before {stream.noun(event)}"
        case "ping":
            return f"a ping comes before {stream.noun(event)}"
        case "crlf":
            return "lines end in CR LF"
        case "halve":
            return f"{stream.noun(event)} arrives in two events"
        case "merge":
            return f"{_pair(stream, event)} arrive in one event"
        case "swap":
            return "the fragments of two tool calls come in turns"
        case "apart":
            return "a tool call's name arrives in a later event than its id"
    assert_never(change.kind)


def _pair(stream: Stream, first: int) -> str:
    one, other = stream.noun(first), stream.noun(first + 1)
    if one == other:
        return f"two {one.removeprefix('a ')}s" if one.endswith("delta") else "two events"
    if one.endswith("a tool call's name") and other == "a tool call's first argument":
        other = "its first argument"
    return f"{one} and {other}"


def _split_inside(stream: Stream, event: int, byte: int) -> str:
    """A split before this byte of an event, by what it is inside of."""
    found, body = stream.events[event], stream.tape.body
    offset = found.start + byte
    data = body[found.start : found.stop]
    if stream.is_text and 0x80 <= body[offset] < 0xC0:
        return "an event is split inside a UTF-8 character"
    end = len(data.rstrip(b"\r\n"))
    if stream.is_text and byte > end:
        return "the blank line that ends an event is split"
    if stream.is_text and byte == end:
        return "an event is split before the end of its last line"
    start = data.rfind(b"\\", max(0, byte - 6), byte)
    if stream.is_text and start >= 0 and (byte == start + 1 or data[start + 1 : start + 2] == b"u"):
        return "an event is split inside an escape of its JSON"
    return f"an event is split across two reads ({stream.noun(event)})"
