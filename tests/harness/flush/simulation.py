"""Simulated middlemen on a simulated clock: nothing waits, nothing runs beside."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count

from tokentape_harness.flush.marker_tokens import MarkerTokens, generate_markers
from tokentape_harness.flush.observed_output import ObservedOutput


class World:
    """A clock, and what is due."""

    def __init__(self) -> None:
        self.time = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(time, self.time), next(self._numbers), call))

    def run_until(self, time: float, done: Callable[[], bool]) -> bool:
        """Whether `done` came true by then; the clock stops where it did."""
        while not done():
            if not self._due or self._due[0][0] > time:
                self.time = max(self.time, time)
                return False
            self.time, _, call = heapq.heappop(self._due)
            call()
        return True


class Middleman:
    """Passes everything on after `latency` s; the others override `take` and `end`."""

    latency = 0.002
    head_with_body = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.out: Callable[[bytes], None] = lambda data: None
        self.end_out: Callable[[], None] = lambda: None
        self.head_out: Callable[[], None] = lambda: None

    def begin(self) -> None:
        if not self.head_with_body:
            self.world.at(self.world.time + self.latency, self.head_out)

    def pass_on(self, data: bytes) -> None:
        if data:
            self.world.at(self.world.time + self.latency, lambda: (self.head_out(), self.out(data))[0])

    def take(self, data: bytes) -> None:
        self.pass_on(data)

    def end(self) -> None:
        self.world.at(self.world.time + self.latency, lambda: (self.head_out(), self.end_out())[0])


class AllAtEnd(Middleman):
    """Keeps all until the end."""

    def __init__(self, world: World, head_with_body: bool = True) -> None:
        super().__init__(world)
        self.head_with_body = head_with_body
        self.kept = b""

    def take(self, data: bytes) -> None:
        self.kept += data

    def end(self) -> None:
        self.pass_on(self.kept)
        super().end()


class ByteBlocks(AllAtEnd):
    """Lets out blocks of just `size` bytes."""

    def __init__(self, world: World, size: int, head_with_body: bool = True) -> None:
        super().__init__(world, head_with_body)
        self.size = size

    def take(self, data: bytes) -> None:
        self.kept += data
        while len(self.kept) >= self.size:
            self.pass_on(self.kept[: self.size])
            self.kept = self.kept[self.size :]


class ByteFlushes(ByteBlocks):
    """Lets all out when it has `size` bytes."""

    def take(self, data: bytes) -> None:
        self.kept += data
        if len(self.kept) >= self.size:
            self.pass_on(self.kept)
            self.kept = b""


class FirstBytes(ByteBlocks):
    """Keeps the first `size` bytes until it has them, and nothing after that."""

    def take(self, data: bytes) -> None:
        self.kept += data
        if self.size <= 0 or len(self.kept) >= self.size:
            self.pass_on(self.kept)
            self.kept, self.size = b"", 0


class TokenBatches(AllAtEnd):
    """Lets all out with every `size`th write that has a mark."""

    def __init__(self, world: World, size: int, nonce: bytes) -> None:
        super().__init__(world)
        self.size, self.nonce, self.held = size, nonce, 0

    def take(self, data: bytes) -> None:
        self.kept += data
        self.held += self.nonce in data
        if self.held >= self.size:
            self.pass_on(self.kept)
            self.kept, self.held = b"", 0


class Behind(AllAtEnd):
    """Keeps the last `size` writes."""

    def __init__(self, world: World, size: int) -> None:
        super().__init__(world)
        self.size, self.writes = size, list[bytes]()

    def take(self, data: bytes) -> None:
        self.writes.append(data)
        while len(self.writes) > self.size:
            self.pass_on(self.writes.pop(0))

    def end(self) -> None:
        self.kept = b"".join(self.writes)
        super().end()


class TimeBatches(AllAtEnd):
    """Lets all out `period` s after the first byte it keeps, as a corked socket does."""

    def __init__(self, world: World, period: float, head_with_body: bool = False) -> None:
        super().__init__(world, head_with_body)
        self.period, self.corked = period, False

    def take(self, data: bytes) -> None:
        self.kept += data
        if not self.corked:
            self.corked = True
            self.world.at(self.world.time + self.period, self.ring)

    def ring(self) -> None:
        self.corked = False
        self.pass_on(self.kept)
        self.kept = b""


class Ticks(TimeBatches):
    """Lets all out every `period` s."""

    def __init__(self, world: World, period: float, head_with_body: bool = False) -> None:
        super().__init__(world, period, head_with_body)
        self.world.at(period * 0.37, self.tick)
        self.corked = True

    def tick(self) -> None:
        self.pass_on(self.kept)
        self.kept = b""
        self.world.at(self.world.time + self.period, self.tick)


class Slow(Middleman):
    """Passes each write on by itself, but late, by up to `jitter` s more, in order."""

    def __init__(self, world: World, latency: float, jitter: float = 0.0) -> None:
        super().__init__(world)
        self.latency, self.jitter = latency, jitter
        self.draw, self.last = random.Random(0), 0.0

    def pass_on(self, data: bytes) -> None:
        self.last = max(self.last, self.world.time + self.latency + self.draw.uniform(0, self.jitter))
        self.world.at(self.last, lambda: self.out(data))

    def end(self) -> None:
        self.latency += self.jitter
        super().end()


class Erratic(Middleman):
    """Passes each write on by itself, after any time, often short and sometimes long, in order."""

    def __init__(self, world: World, mean: float, seed: int) -> None:
        super().__init__(world)
        self.mean, self.draw, self.last = mean, random.Random(seed), 0.0

    def pass_on(self, data: bytes) -> None:
        self.last = max(self.last, self.world.time + self.draw.expovariate(1 / self.mean))
        self.world.at(self.last, lambda: self.out(data))

    def end(self) -> None:
        self.latency = 20 * self.mean
        super().end()


class SimulatedStream:
    """A provider that writes server-sent events into a middleman, whose output is the far end.

    With `load`, both the provider and the prober are up to `load` s late.
    """

    def __init__(
        self,
        make: Callable[[World, MarkerTokens], Middleman],
        *,
        tokens: int = 10,
        size: int = 131_072,
        plain_text: bool = False,
        seed: int = 0,
        framing: int = 200,
        load: float = 0.0,
    ) -> None:
        self.world = World()
        self._load, self._draw = load, random.Random(seed)
        markers = generate_markers(tokens, size, random.Random(seed))
        self.output = ObservedOutput(markers, self.now)
        self.middleman = make(self.world, markers)
        self.middleman.out = self.output.on_data
        self.middleman.end_out = self.output.on_end
        self.middleman.head_out = self._on_head
        self._framing = framing
        self._plain_text = plain_text
        self._sent = self._up = 0
        self.middleman.begin()

    def _on_head(self) -> None:
        if self.output.head is None:
            self.output.on_head(200, [])

    def now(self) -> float:
        return self.world.time

    def send(self, tokens: int) -> int:
        self._stall()
        for number in range(self._sent, self._sent + tokens):
            token = self.output.markers.token(number).encode()
            event = b"data: " + b'{"id":1}'.ljust(self._framing, b" ") + token + b"\n\n"
            self._up += len(event)
            # An app that shows plain text writes less than the provider sends.
            self.middleman.take(token if self._plain_text else event)
        self._sent += tokens
        return self._up

    def finish(self) -> None:
        self.send(self.output.markers.count - self._sent)
        self.middleman.end()

    def wait(self, done: Callable[[ObservedOutput], bool], seconds: float) -> bool:
        came = self.world.run_until(self.world.time + seconds, lambda: done(self.output))
        self._stall()
        return came

    def _stall(self) -> None:
        self.world.run_until(self.world.time + self._draw.uniform(0, self._load), lambda: False)

    def wait_for_end(self, seconds: float) -> bool:
        return self.wait(lambda far: far.end is not None, seconds)
