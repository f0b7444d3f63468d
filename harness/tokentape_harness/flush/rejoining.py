"""Rejoining: readers of a response that are cut off, and come back with `Last-Event-ID`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, NamedTuple
from uuid import uuid4

from tokentape_fake_provider.errors import StepError
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.bench import STEPPED, Bench, Run, rule_of
from tokentape_harness.flush.marker_tokens import MarkerFinder, MarkerTokens
from tokentape_harness.flush.targets import Target, with_headers, with_id

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
# How long an event may take after the frame that causes it; most frames cause one.
_EVENT_S: Final = 0.05


class Limits(NamedTuple):
    """How long an app may take, in s: to send its request to the provider, to pass an event on, to end a response."""

    start: float = 30.0
    patience: float = 2.0
    end: float = 15.0


class ReceivedEvent(NamedTuple):
    """A complete server-sent event, as a browser sees it."""

    id: str
    type: str
    data: bytes


def events_of(body: bytes) -> list[ReceivedEvent]:
    """The complete events of a body that have data; what follows the last blank line is not complete."""
    events, last_id, kind, data = [], "", "message", list[bytes]()
    lines = _LINE_END.split(body)
    for line in lines[:-1]:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                events.append(ReceivedEvent(last_id, kind, b"\n".join(data)))
            kind, data = "message", []
        elif name == b"id":
            last_id = value.decode("utf-8", "replace")
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
        elif name == b"data":
            data.append(value)
    return events


class Connection:
    """One request of a reader, and the events that it has received."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.output = run.output

    @property
    def events(self) -> list[ReceivedEvent]:
        """The events so far."""
        return events_of(self.output.body)

    @property
    def status(self) -> int | None:
        """The status; None before the head has come."""
        return None if self.output.head is None else self.output.head.status

    def wait_for_events(self, count: int, seconds: float) -> bool:
        """Wait for this number of events."""
        return self.output.wait(lambda _: len(self.events) >= count or self.output.end is not None, seconds) and (
            len(self.events) >= count
        )


class Generation:
    """One response: the provider's stream, which sends what it is stepped to, and the readers that come and go."""

    def __init__(self, bench: Bench, back: Target, markers: MarkerTokens, stack: ExitStack, limits: Limits) -> None:
        self.id = uuid4().hex
        self.limits = limits
        self._bench = bench
        self._back = back
        self._markers = markers
        self._stack = stack
        self._requests = len(bench.provider.requests) + bench.provider.journal.forgotten
        self.first = self._connect(with_id(bench.target, self.id))
        stream = bench.next_stream(self.first.run, limits.start)
        if stream is None:
            status = "no answer" if self.first.status is None else f"status {self.first.status}"
            raise FlushError(f"{bench.target} sent the provider no request for this response ({status})")
        self.stream: SteppedStream = stream

    @property
    def provider_requests(self) -> int:
        """The number of requests to the provider for this response."""
        return len(self._bench.provider.requests) + self._bench.provider.journal.forgotten - self._requests

    def _connect(self, target: Target) -> Connection:
        return Connection(self._stack.enter_context(self._bench.connection(self._markers, target)))

    def come_back(self, last_event_id: str = "") -> Connection:
        """Request the response again, behind this event or from its start, and wait for the head of the answer."""
        target = with_id(self._back, self.id)
        if last_event_id:
            target = with_headers(target, {"Last-Event-ID": last_event_id}) or target
        connection = self._connect(target)
        connection.output.wait(lambda output: output.head is not None or output.end is not None, self.limits.patience)
        return connection

    def step(self, frames: int) -> None:
        """Send frames of the provider until this number has left, or all of them if there are fewer."""
        with suppress(StepError):
            while self.stream.sent < frames and not self.stream.over:
                self.stream.step(timeout=self.limits.patience)

    def finish(self) -> None:
        """Let the provider send the rest."""
        self.stream.release()

    def wait_until_sent(self, seconds: float) -> None:
        """Wait until the provider has sent all."""
        self._bench.outcome(self.stream, seconds)


@contextmanager
def generation(bench: Bench, back: Target, markers: MarkerTokens, limits: Limits) -> Iterator[Generation]:
    """Start a response; in the end its provider's stream is released, and its readers leave."""
    with bench.answering(rule_of(markers), STEPPED), ExitStack() as stack:
        response = Generation(bench, back, markers, stack, limits)
        try:
            yield response
        finally:  # before the readers are closed: a target that waits would not notice that they left
            bench.release_all()


class Reference(NamedTuple):
    """A response that nobody interrupts: its events, and after how many frames of the provider each had come.

    `exact` is whether another one has the same events, so that they are compared as they are; else their tokens are.
    """

    events: Sequence[ReceivedEvent]
    frames: Sequence[int]
    markers: MarkerTokens
    exact: bool

    def items(self, events: Sequence[ReceivedEvent]) -> list[str]:
        """What is compared of events: each whole, or the tokens and the type of the last one."""
        if self.exact:
            return [f"{event.type}: {event.data.decode('utf-8', 'replace')}" for event in events]
        tokens = MarkerFinder(self.markers).feed(b"\n".join(event.data for event in events))
        return [*(f"token {number}" for number, _ in tokens), *(f"last: {event.type}" for event in events[-1:])]


def read_reference(bench: Bench, back: Target, markers: MarkerTokens, limits: Limits) -> Reference:
    """Read two responses whole, one as the provider sends frame by frame. Raises `FlushError` if that fails."""
    wholes: list[list[ReceivedEvent]] = []
    frames: list[int] = []
    total = 0
    for is_stepped in (False, True):
        with generation(bench, back, markers, limits) as response:
            reader = response.first
            while is_stepped and not response.stream.over and response.stream.sent < len(response.stream.frames):
                response.step(response.stream.sent + 1)
                reader.wait_for_events(len(frames) + 1, _EVENT_S)
                frames += [response.stream.sent] * (len(reader.events) - len(frames))
            response.finish()
            if not reader.output.wait(lambda output: output.end is not None, limits.end):
                raise FlushError(f"{bench.target} did not end its response within {limits.end:g} s")
            wholes.append(reader.events)
            total = len(response.stream.frames)
            if not reader.events:
                raise FlushError(f"{bench.target} sent no server-sent events (status {reader.status})")
    frames += [total] * (len(wholes[1]) - len(frames))
    same = [(event.type, event.data) for event in wholes[0]] == [(event.type, event.data) for event in wholes[1]]
    return Reference(wholes[1], frames, markers, exact=same)
