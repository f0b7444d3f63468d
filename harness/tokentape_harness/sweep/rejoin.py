"""Rejoin: cuts a reader of an app off at each event, lets it come back, and reports what it did not receive."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from tokentape_harness.flush.bench import Bench
from tokentape_harness.flush.marker_tokens import generate_markers
from tokentape_harness.flush.rejoining import (
    Connection,
    Generation,
    Limits,
    ReceivedEvent,
    Reference,
    generation,
    read_reference,
)
from tokentape_harness.flush.targets import Target
from tokentape_harness.sweep.plan import sampled

RejoinOutcome: TypeAlias = Literal[
    "complete", "lost", "doubled", "reordered", "not_resumed", "requested_again", "unmet"
]
REJOIN_OUTCOMES: Final[Mapping[RejoinOutcome, tuple[str, str]]] = {
    "complete": (".", "received each event once, in order"),
    "lost": ("L", "did not receive events that an uninterrupted reader receives"),
    "doubled": ("D", "received events twice"),
    "reordered": ("O", "received the events in another order"),
    "not_resumed": ("N", "was refused, or the response did not end"),
    "requested_again": ("R", "caused another request to the provider"),
    "unmet": ("?", "was not cut off: the event before the cut did not come in time"),
}
"""Each outcome: its letter in the table, and its meaning."""
assert set(REJOIN_OUTCOMES) == set(get_args(RejoinOutcome))

ROWS: Final[Mapping[str, str]] = {
    "cut": "comes back while the response goes on",
    "late": "comes back after its end",
    "each": "is cut off after each event of one response",
    "lagging": "comes back from its first event when half of the events have been sent",
    "second": "joins from the start, beside the first reader, after half of the events",
}
"""What the reader does in each row of the table."""

_NAMED: Final = 8
_LIMITS: Final = Limits()


class RejoinResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of a cell: a row, and the number of events before the cut. `note` has the events concerned."""

    row: str
    place: int
    outcome: RejoinOutcome
    note: str = ""

    @property
    def cell(self) -> str:
        """Its name."""
        return f"{self.row}@{self.place}"


class RejoinReport(msgspec.Struct, frozen=True):
    """The results of a sweep over an app's response of `events` events."""

    target: str
    events: int
    results: tuple[RejoinResult, ...]
    exact: bool = True
    """Whether events are compared as they are; else their tokens are, because they differ from response to response."""

    @property
    def failures(self) -> Sequence[RejoinResult]:
        """The cells that are not complete."""
        return [result for result in self.results if result.outcome != "complete"]

    def to_builtins(self) -> dict[str, Any]:
        """The report as JSON values."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {**fields, "counts": dict(Counter(result.outcome for result in self.results))}

    def lines(self) -> Iterator[str]:
        """The report as text: a letter for each cut, and what went wrong."""
        compared = "" if self.exact else ", compared by their tokens"
        yield f"{self.target}: {self.events} events{compared}, {len(self.results)} cells"
        rows: dict[str, list[RejoinResult]] = {}
        for result in self.results:
            rows.setdefault(result.row, []).append(result)
        for row, results in rows.items():
            letters = "".join(REJOIN_OUTCOMES[result.outcome][0] for result in results)
            yield f"{row:7}  {letters}  {ROWS[row]}"
        counts = Counter(result.outcome for result in self.results)
        yield ", ".join(
            f"{letter} {counts[name]} {name}" for name, (letter, _) in REJOIN_OUTCOMES.items() if counts[name]
        )
        for name, (_, meaning) in REJOIN_OUTCOMES.items():
            cells = [result for result in self.failures if result.outcome == name]
            if cells:
                shown = "; ".join(f"{result.cell}: {result.note}" for result in cells[:_NAMED])
                more = f"; and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
                yield f"{len(cells)} {name} ({meaning}): {shown}{more}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


class RejoinSweep:
    """Readers of one app: `bench` has the request that starts a response, `back` the one of a reader that comes back.

    `{id}` in both stands for the id of the response. Raises `FlushError` if the app does not answer with events.
    """

    def __init__(
        self, bench: Bench, back: Target, *, tokens: int = 20, limits: Limits = _LIMITS, seed: int = 0
    ) -> None:
        self._bench = bench
        self._back = back
        self._limits = limits
        self._markers = generate_markers(tokens, 0, random.Random(seed))  # noqa: S311 - not for secrets
        self.reference: Reference = read_reference(bench, back, self._markers, limits)

    def run(
        self,
        rows: Iterable[str] = ROWS,
        places: int = 50,
        seed: int = 0,
        on_cell: Callable[[RejoinResult], None] = lambda _: None,
    ) -> RejoinReport:
        """Run the cells of these rows, at no more than `places` events per row, sampled with the seed."""
        count = len(self.reference.events)
        results = []
        for row in rows:
            match row:
                case "each":
                    found = [0]
                case "second" | "lagging":
                    found = [count // 2]
                case _:
                    found = sampled(count + 1, places, seed)
            for place in found:
                results.append(self.cell(row, place))
                on_cell(results[-1])
        return RejoinReport(str(self._bench.target), count, tuple(results), self.reference.exact)

    def cell(self, row: str, place: int) -> RejoinResult:
        """Run one cell."""
        with generation(self._bench, self._back, self._markers, self._limits) as response:
            outcome, note = self._cut_at_each(response) if row == "each" else self._cut(response, row, place)
            if outcome == "complete" and response.provider_requests > 1:
                outcome, note = "requested_again", f"{response.provider_requests} requests"
        return RejoinResult(row, place, outcome, note)

    def restart(self, restart: Callable[[], None]) -> RejoinResult:
        """Restart the app after half of the events; a reader that comes back may be refused, but not be misled.

        The outcome is `complete` if it received the rest, an error or a status of 4xx or 204.
        """
        place = len(self.reference.events) // 2
        with generation(self._bench, self._back, self._markers, self._limits) as response:
            if not self._receive(response, response.first, place, place):
                return RejoinResult("restart", place, "unmet", "the event before the restart did not come in time")
            received = response.first.events[:place]
            response.first.run.reader.leave()
            restart()
            second = response.come_back(received[-1].id)
            response.finish()
            outcome, note = self._judge(received, second)
            end = second.output.end
            is_reported = (
                second.status == 204 or (second.status or 0) >= 400 or (end is not None and end.kind == "broken")
            )
            if is_reported or any(event.type == "error" for event in second.events):
                outcome, note = "complete", ""
        return RejoinResult("restart", place, outcome, note)

    def _cut(self, response: Generation, row: str, place: int) -> tuple[RejoinOutcome, str]:
        first = response.first
        if not self._receive(response, first, place, place):
            return "unmet", f"{len(first.events)} of {place} events came"
        received = first.events[: 1 if row == "lagging" else place]
        if row == "second":
            second = response.come_back()
            response.finish()
            outcome, note = self._judge([], second)
            return (outcome, note) if outcome != "complete" else self._judge([], first)
        first.run.reader.leave()
        if row == "late":
            response.finish()
            response.wait_until_sent(self._limits.end)
        second = response.come_back(received[-1].id if received else "")
        response.finish()
        return self._judge(received, second)

    def _cut_at_each(self, response: Generation) -> tuple[RejoinOutcome, str]:
        received: list[ReceivedEvent] = []
        connection = response.first
        for place in range(1, len(self.reference.events) + 1):
            if not self._receive(response, connection, place, 1):
                response.finish()
                return self._judge(received, connection) if received else ("unmet", "no event came")
            received += connection.events[:1]
            connection.run.reader.leave()
            connection = response.come_back(received[-1].id)
        response.finish()
        return self._judge(received, connection)

    def _receive(self, response: Generation, connection: Connection, place: int, count: int) -> bool:
        """Let the provider send what causes the first `place` events; whether the reader has `count` of them."""
        if place:
            response.step(self.reference.frames[place - 1])
        if place and self.reference.frames[place - 1] == len(response.stream.frames):
            response.finish()  # the last events may come at the provider's end
        return connection.wait_for_events(count, self._limits.patience)

    def _judge(self, received: Sequence[ReceivedEvent], last: Connection) -> tuple[RejoinOutcome, str]:
        """The outcome for a reader that had these events, and whose last connection goes on to the end."""
        if not last.output.wait(lambda output: output.end is not None, self._limits.end):
            return "not_resumed", f"no end within {self._limits.end:g} s"
        if last.status not in (200, 204):
            return "not_resumed", f"status {last.status}"
        expected = self.reference.items(self.reference.events)
        found = self.reference.items([*received, *last.events])
        missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        if missing:
            return "lost", _shown(missing)
        if extra:
            return "doubled", _shown(extra)
        return ("complete", "") if found == expected else ("reordered", _shown(Counter(found)))


def _shown(items: Counter[str]) -> str:
    names = [item if len(item) <= 60 else f"{item[:59]}…" for item in items]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
