"""Plan: the variations of a test's streams that the doctor tries, each a set of changes of one sort."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from tokentape_fake_provider.wires import WIRES
from tokentape_harness.doctor.change import Change, Kind, Variation
from tokentape_harness.doctor.fragments import fragment_changes
from tokentape_harness.doctor.stream import Stream

Group: TypeAlias = Literal["reads", "deltas", "events", "lines", "time", "order"]

DELTAS: Final = "smaller text deltas"
"""A test may compare deltas one by one, so that its failure says nothing of the code under test."""
# Google sends no comments, and its own SDK fails at one.
_WITHOUT_COMMENTS: Final = ("gemini", "gemini_interactions")
# A stream of more bytes is split at a sample of them.
_SPLITS: Final = 1000
_RANDOM: Final = 6
_ORDERED: Final = 6
_ORDER_MS: Final = 150.0
_ESCAPE: Final = re.compile(rb'\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])')
_CONTINUATION: Final = re.compile(rb"[\x80-\xbf]")


class Trial(NamedTuple):
    """A variation to try: its name, the group whose finding makes it needless, and its changes."""

    name: str
    group: Group
    changes: Variation


def plan_trials(streams: Sequence[Stream], *, seed: int = 0, pause_ms: float = 1000.0) -> Iterator[Trial]:
    """The variations, those first that say most if they matter. Those that change nothing are left out."""
    found = [(number, stream) for number, stream in enumerate(streams) if stream.is_stream]
    texts = [(number, stream) for number, stream in found if stream.is_text]
    reads: tuple[tuple[str, Iterable[tuple[int, Stream]], _Offsets], ...] = (
        ("each event in a read of its own", found, lambda stream: stream.borders),
        ("all events in one read", found, lambda _: ()),
        ("two events in each read", found, lambda stream: sorted(stream.borders)[1::2]),
        ("two events in each read, the first alone", found, lambda stream: sorted(stream.borders)[::2]),
        ("splits inside events", found, lambda stream: stream.reads | set(_middles(stream))),
        ("splits before the line end of an event", texts, lambda stream: stream.reads | set(_line_ends(stream, 2))),
        (
            "splits within the blank line after an event",
            texts,
            lambda stream: stream.reads | set(_line_ends(stream, 1)),
        ),
        ("splits inside escapes", texts, lambda stream: stream.reads | set(_inside(stream, _ESCAPE))),
        ("splits inside UTF-8 characters", texts, lambda stream: stream.reads | set(_inside(stream, _CONTINUATION))),
        ("single bytes", found, lambda stream: _sample(range(1, len(stream.tape.body)), seed)),
    )
    for name, among, offsets in reads:
        yield from _trial(name, "reads", [change for n, stream in among for change in _to(n, stream, offsets(stream))])
    for number in range(_RANDOM):
        draw = random.Random(f"{seed}:{number}")  # noqa: S311 - not for secrets
        changes = [change for n, stream in found for change in _to(n, stream, _random(stream, draw))]
        yield from _trial(f"random reads {number + 1}", "reads", changes)
    yield from _content(found, texts)
    yield from _pauses(found, pause_ms)
    yield from _orders(streams)


def _content(found: Sequence[tuple[int, Stream]], texts: Sequence[tuple[int, Stream]]) -> Iterator[Trial]:
    halves = [(stream, change) for n, stream in found for change in fragment_changes(stream, n, "halve")]
    arguments = [change for stream, change in halves if stream.has_arguments(change.event)]
    yield from _trial(DELTAS, "events", [change for _, change in halves if change not in arguments])
    yield from _trial("smaller argument deltas", "deltas", arguments)
    merges = [change for n, stream in found for change in fragment_changes(stream, n, "merge")]
    yield from _trial("two deltas in one event", "deltas", _without_chains(merges))
    yield from _trial("two deltas in one event, from the end", "deltas", _without_chains(merges[::-1]))
    apart = [change for n, stream in found for change in fragment_changes(stream, n, "apart")]
    yield from _trial("a tool call's id and name apart", "deltas", apart)
    swaps = [change for n, stream in found for change in fragment_changes(stream, n, "swap")]
    yield from _trial("fragments of tool calls in turns", "events", swaps)
    sse = [(number, stream) for number, stream in texts if stream.framing.comment]
    commented = [(n, stream) for n, stream in sse if stream.wire not in _WITHOUT_COMMENTS]
    between: tuple[tuple[str, Kind, Sequence[tuple[int, Stream]]], ...] = (
        ("comments between events", "comment", commented),
        ("empty lines", "blank", sse),
    )
    for name, kind, among in between:
        changes = [Change(n, event, 0, kind) for n, stream in among for event in range(len(stream.events))]
        yield from _trial(name, "events", changes)
    pinged = [(n, stream) for n, stream in sse if stream.wire and WIRES[stream.wire].ping]
    pings = [Change(n, event, 0, "ping") for n, stream in pinged for event in range(1, len(stream.events))]
    yield from _trial("pings between events", "events", pings)
    yield from _trial("lines that end in CR LF", "lines", [Change(n, 0, 0, "crlf") for n, _ in sse])


def _without_chains(changes: Sequence[Change]) -> list[Change]:
    """Those of which none touches an event of an earlier one."""
    kept: list[Change] = []
    for change in changes:
        if not any(change.request == one.request and abs(change.event - one.event) < 2 for one in kept):
            kept.append(change)
    return kept


def _pauses(found: Sequence[tuple[int, Stream]], pause_ms: float) -> Iterator[Trial]:
    if not pause_ms:
        return
    # A test waits for each of them in real time, if its provider is on a port.
    few = found[:3]
    places: tuple[tuple[str, Callable[[Stream], tuple[int, int]]], ...] = (
        ("pauses between events", lambda stream: (len(stream.events) // 2, 0)),
        ("pauses inside events", lambda stream: stream.place((_middles(stream) or [0])[len(stream.events) // 2])),
        ("pauses before the end", lambda stream: (len(stream.events) - 1, 0)),
    )
    for name, place in places:
        changes = [Change(n, *place(stream), "pause", pause_ms) for n, stream in few if len(stream.events) > 1]
        yield from _trial(name, "time", changes)
    yield from _trial("late responses", "time", [Change(n, 0, 0, "late", pause_ms) for n, _ in few])


def _orders(streams: Sequence[Stream]) -> Iterator[Trial]:
    """Each response later than the one before it, and the other way round: all of it, or its end."""
    numbers = [number for number, stream in enumerate(streams) if not stream.stepped][:_ORDERED]
    if len(numbers) < 2:
        return
    for order, ranked in (("the last request's first", numbers[::-1]), ("the first request's first", numbers)):
        late = [Change(n, 0, 0, "late", rank * _ORDER_MS) for rank, n in enumerate(ranked) if rank]
        yield from _trial(f"responses that begin in order, {order}", "order", late)
        ends = [
            Change(n, len(streams[n].events) - 1, 0, "pause", rank * _ORDER_MS)
            for rank, n in enumerate(ranked)
            if rank and streams[n].is_stream
        ]
        yield from _trial(f"streams that end in order, {order}", "order", ends)


def _trial(name: str, group: Group, changes: Sequence[Change]) -> Iterator[Trial]:
    if changes:
        yield Trial(name, group, tuple(sorted(changes)))


_Offsets: TypeAlias = Callable[[Stream], Iterable[int]]


def _to(request: int, stream: Stream, offsets: Iterable[int]) -> Iterator[Change]:
    """What changes the reads of a stream to those that begin at these offsets."""
    wanted = set(offsets)
    for offset in wanted - stream.reads:
        yield Change(request, *stream.place(offset), "split")
    for offset in stream.reads - wanted:
        yield Change(request, *stream.place(offset), "join")


def _middles(stream: Stream) -> list[int]:
    """An offset inside the document of each event, not inside a character or an escape."""
    body, found = stream.tape.body, []
    for event in stream.events:
        start = max(event.start, body.find(event.document, event.start, event.stop)) if event.document else event.start
        middle = (start + event.stop) // 2
        letters = (
            at for at in range(middle, start, -1) if body[at - 1 : at + 1].isalnum() and body[at - 3 : at].isascii()
        )
        found.append(next((at for at in letters if b"\\" not in body[max(0, at - 6) : at]), middle))
    return [offset for offset in found if offset]


def _line_ends(stream: Stream, before: int) -> list[int]:
    """The offset of the last line end but one of each event (`before` is 2), or of the last."""
    body = stream.tape.body
    ends = [event.stop for event in stream.events if event.whole and body[event.stop - 2 : event.stop] == b"\n\n"]
    return [stop - before for stop in ends]


def _inside(stream: Stream, pattern: re.Pattern[bytes]) -> list[int]:
    """The offsets inside what matches: after its first byte, or before a byte that continues a character."""
    first = 0 if pattern is _CONTINUATION else 1
    return [match.start() + first for match in pattern.finditer(stream.tape.body)][:_SPLITS]


def _sample(offsets: Sequence[int], seed: int) -> Sequence[int]:
    if len(offsets) <= _SPLITS:
        return offsets
    return random.Random(seed).sample(offsets, _SPLITS)  # noqa: S311 - not for secrets


def _random(stream: Stream, draw: random.Random) -> set[int]:
    """Reads of random sizes, from a few bytes to several events."""
    size = draw.choice((7, 40, 200, 1000))
    count = max(1, len(stream.tape.body) // size)
    return {draw.randrange(1, max(2, len(stream.tape.body))) for _ in range(min(count, _SPLITS))}
