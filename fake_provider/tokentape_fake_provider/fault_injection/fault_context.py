"""The response that a fault is applied to, and the places in it."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import FaultNotApplicableError
from tokentape_fake_provider.fault_injection.events import WHOLE, BodyEvent, Framing, framing_of
from tokentape_fake_provider.faults.fault import Index, Place, Placed
from tokentape_fake_provider.playback.journal import TokenCounts
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires.document_paths import NOTHING, DocumentPaths
from tokentape_fake_provider.wires.wire import ProviderRequest, Wire


class FaultContext(msgspec.Struct, frozen=True, dict=True):
    """A tape, its wire format, the request that it answers, and a random generator.

    `sent` is the number of frames that were sent already, `None` if not even the headers were. A fault is then only for
    what follows; index 0 is the first that is not sent yet.
    """

    tape: Tape
    wire: Wire | None
    request: ProviderRequest
    draw: random.Random
    sent: int | None = None

    @cached_property
    def offset(self) -> int:
        """The number of bytes that were sent already."""
        return self.tape.boundaries[self.sent or 0]

    @cached_property
    def first_event(self) -> int:
        """The number of the first event of which nothing was sent yet."""
        return bisect_left(self.events, self.offset, key=lambda event: event.start)

    def require_unsent_headers(self) -> None:
        """Raise `FaultNotApplicableError` if the headers were sent already."""
        if self.sent is not None:
            raise FaultNotApplicableError("the headers were sent already")

    @cached_property
    def framing(self) -> Framing:
        """The framing of its events."""
        return framing_of(self.tape)

    @cached_property
    def events(self) -> list[BodyEvent]:
        """Its events."""
        return list(self.framing.split(self.tape.body))

    @cached_property
    def document_paths(self) -> DocumentPaths:
        """The document paths of its wire format; a response that is not a stream is not wrapped."""
        if self.wire is None:
            return NOTHING
        return self.wire.document_paths._replace(wrapped=False) if self.framing is WHOLE else self.wire.document_paths

    @cached_property
    def documents(self) -> list[Any]:
        """The documents of its events as values, `None` for one that is not JSON."""
        return [self.document_paths.read(event.document) for event in self.events]

    @cached_property
    def ending(self) -> int:
        """The number of the event that ends the answer; the count of events if none does."""
        for path in self.document_paths.endings:
            for index in range(len(self.events) - 1, -1, -1):
                if self.document_paths.ends(self.documents[index], path):
                    return index
        return next((i for i, event in enumerate(self.events) if event.document == b"[DONE]"), len(self.events))

    def owned(self) -> Wire:
        """Return its wire format. Raises `FaultNotApplicableError` if that is unknown."""
        if self.wire is None:
            raise FaultNotApplicableError("the wire format is unknown")
        return self.wire

    def place(self, fault: Placed) -> int:
        """Return the byte before which a fault happens. Raises `FaultNotApplicableError` if there is no such place."""
        if fault.byte is not None:
            return self._boundary(fault.byte, self.offset, len(self.tape.body), "byte")
        if fault.frame is not None:
            return self.tape.boundaries[self._boundary(fault.frame, self.sent or 0, len(self.tape.frames), "frame")]
        index = max(self.ending, self.first_event)
        if fault.event is not None:
            index = self._boundary(fault.event, self.first_event, len(self.events), "event")
            if index == len(self.events) and fault.event == "end":
                return len(self.tape.body)
        return self.events[index - 1].stop if index else 0

    def frame(self, index: Index) -> int:
        """Return the number of a frame. Raises `FaultNotApplicableError` if there is no such frame."""
        return self._number(index, self.sent or 0, len(self.tape.frames), "frame")

    def event(self, index: Index | None) -> int:
        """Return the number of an event, by default the last before the one that ends the answer.

        Raises `FaultNotApplicableError` if there is no such event.
        """
        if index is None:
            index = max(self.first_event, self.ending - 1)
        return self._number(index, self.first_event, len(self.events), "event")

    def json_event(self, index: Index | None) -> int:
        """Return the number of an event whose document is a JSON object. Raises `FaultNotApplicableError`."""
        if index == "random":
            first = self.first_event
            numbers = [number for number, value in enumerate(self.documents[first:], first) if isinstance(value, dict)]
            if not numbers:
                raise FaultNotApplicableError("no event is a JSON object")
            return self.draw.choice(numbers)
        number = self.event(index)
        if not isinstance(self.documents[number], dict):
            raise FaultNotApplicableError(f"event {number} is not a JSON object")
        return number

    def byte(self, index: Index) -> int:
        """Return the number of a byte. Raises `FaultNotApplicableError` if there is no such byte."""
        return self._number(index, self.offset, len(self.tape.body), "byte")

    def _boundary(self, place: Place, first: int, count: int, what: str) -> int:
        if place == "end":
            return count
        if place == "random":
            return self.draw.randint(first, count)
        return _checked(place, first, count, count + 1, what)

    def _number(self, index: Index, first: int, count: int, what: str) -> int:
        if index == "random" and count > first:
            return self.draw.randrange(first, count)
        return _checked(0 if index == "random" else index, first, count, count, what)

    def replaced(self, number: int, change: Callable[[bytes], bytes]) -> bytes:
        """Return the bytes of an event with its document changed."""
        event = self.events[number]
        document = self.document_paths.outer(event.document, change(self.document_paths.inner(event.document)))
        return self.framing.replace(self.tape.body[event.start : event.stop], document)


def _checked(index: int, first: int, count: int, below: int, what: str) -> int:
    number = index + count if index < 0 else index or first
    if not 0 <= number < below:
        raise FaultNotApplicableError(f"there is no {what} {index}: the response has {count}")
    if number < first:
        raise FaultNotApplicableError(f"{what} {index} was sent already: the first that was not is {what} {first}")
    return number


def context_of(tape: Tape, wire: Wire) -> FaultContext:
    """Return the context of a response whose request does not matter."""
    return FaultContext(tape, wire, ProviderRequest(wire.name, "", True), random.Random(0))  # noqa: S311 - not for secrets


def output_tokens(tape: Tape, wire: Wire) -> int:
    """Return the output tokens that a response reports; without a report, its number of events."""
    context = context_of(tape, wire)
    counted = [
        count for value in context.documents if (count := context.document_paths.output_tokens(value)) is not None
    ]
    return counted[-1] if counted else len(context.events)


def reports_end(tape: Tape, wire: Wire) -> bool:
    """Whether any event of a response ends the answer."""
    context = context_of(tape, wire)
    return context.ending < len(context.events)


# Recordings answer again and again, and a kept body is compared by identity. Sizes are in bytes.
_LONGEST_COUNTED: Final = 1_000_000  # about 80 ms
_COUNTED: Final[RecentlyUsed[tuple[str, bytes], TokenCounts]] = RecentlyUsed(4_000_000)


def reported_usage(tape: Tape, wire: Wire) -> TokenCounts | None:
    """Return the tokens that a response reports; `None` where reading it would keep the streams waiting."""
    if len(tape.body) > _LONGEST_COUNTED:
        return None
    key = wire.name, tape.body
    found = _COUNTED.get(key)
    return found or _COUNTED.put(key, _read_usage(tape, wire), len(tape.body))


def _read_usage(tape: Tape, wire: Wire) -> TokenCounts:
    context = context_of(tape, wire)
    input_tokens = output = None
    for document in context.documents:
        objects = list(context.document_paths.usage_objects(document))
        input_tokens = _first_sum(objects, wire.facts.input_usage, input_tokens)
        reported = context.document_paths.output_tokens(document)
        output = _first_sum(objects, wire.facts.output_usage, output) if reported is None else reported
    return TokenCounts(input_tokens, output)


def _first_sum(objects: Sequence[Mapping[str, Any]], names: Sequence[str], otherwise: int | None) -> int | None:
    return next((count for one in objects if (count := _sum(one, names)) is not None), otherwise)


def _sum(usage: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """Return the sum of the counts that a usage object has under these names; `None` if it has none."""
    counts = []
    for name in names:
        value: Any = usage
        for key in name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int):
            counts.append(value)
    return sum(counts) if counts else None
