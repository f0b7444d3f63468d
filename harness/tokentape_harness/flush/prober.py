"""Prober: sends one token, and the next only when that one came out or its wait timed out.

It does not guess from times how a stream is held. A token that does not come out within the patience is held: the
prober sends more, few at first, until some come out, and records several times what that took. If tokens come out
without more, but late, it sends tokens close together: held ones come out together, slow ones apart.
"""

from __future__ import annotations

import sys
from bisect import bisect
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, Literal, TypeAlias

import msgspec

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.probed_stream import ProbedStream, ProbeOverError

# Tokens that come out sooner than this count as flushed: no reader notices the batches (s).
PROMPT: Final = 0.06
_BURSTS: Final = 5
_BURST: Final = 4
_RELEASES: Final = 4
# The number of steps that narrow down the size of a batch.
_FINE: Final = 8
# Tokens reserved for the last step: does one come out by itself?
_RESERVE: Final = 2


Measure = Literal["output", "provider", "tokens"]


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait, in s, and how much to send.

    `patience` is how long a token may take to come out before it counts as held, `wait` how long once tokens are
    known to be held. `longest` is the longest interval of time batches that is found. At first `tokens` short tokens
    are sent, and then, if they are held, up to `max_bytes` of longer ones.
    """

    patience: float = 2.0
    wait: float = 0.25
    longest: float = 10.0
    tokens: int = 10
    max_bytes: int = 65_536


class Step(msgspec.Struct, frozen=True):
    """What had been sent after a step, and what had been seen when its wait ended.

    `sent` and `seen` count tokens, `up` bytes of the provider's body, `received` bytes of output; `at` is the time of
    sending, `until` the time at which the wait ended.
    """

    sent: int
    up: int
    at: float
    seen: int
    received: int
    until: float


class Burst(msgspec.Struct, frozen=True):
    """Tokens that were sent shortly after each other: when each was sent, and when each was seen."""

    sent: tuple[float, ...]
    seen: tuple[float, ...]


class Trace(msgspec.Struct):
    """The measurements of one probe. `over` is the reason why it could not send all tokens."""

    steps: list[Step] = []
    sent_at: list[float] = []
    held_at: int | None = None
    bursts: list[Burst] = []
    stills: list[Burst] = []
    finished_at: float = 0.0
    over: str = ""

    def latencies(self, output: ObservedOutput) -> list[float]:
        """How long each token took that was sent by itself, before any was held, in s."""
        alone = self.sent_at[: len(self.steps) if self.held_at is None else self.held_at]
        return [output.seen[number] - at for number, at in enumerate(alone) if number in output.seen]

    @property
    def first_only(self) -> bool:
        """Whether nothing was held any more after the first release."""
        if not self.releases:
            return False
        after = [step for step in self.steps if step.at > self.releases[0][1].at]
        return len(after) >= 2 and all(step.seen == step.sent for step in after)

    @property
    def begin(self) -> Step:
        """The step before the first token that was held."""
        return self.steps[self.held_at - 1] if self.held_at else Step(0, 0, 0.0, 0, 0, 0.0)

    def taken(self, amount: Callable[[int], int]) -> tuple[int, int]:
        """The largest amount that did not cause a release, and the smallest that did, if each releases everything.

        `amount` converts a number of tokens to an amount.
        """
        least, most, begin = 0, sys.maxsize, self.begin
        for before, after in self.releases:
            least = max(least, amount(before.sent) - amount(begin.sent))
            most = min(most, amount(after.sent) - amount(begin.sent))
            begin = after
        return least, most

    @property
    def releases(self) -> list[tuple[Step, Step]]:
        """The steps after which held tokens came out, each after the step before it."""
        first = self.held_at
        if first is None:
            return []
        held = [step for step in self.steps if step.sent > first]
        return [(before, after) for before, after in pairwise(held) if after.seen > before.seen]


Fitting: TypeAlias = Callable[[Trace, ObservedOutput], Collection[Measure]]


def probe(stage: ProbedStream, pace: Pace, fitting: Fitting) -> Trace:
    """Send the stage's tokens and record what comes out, then send the rest and wait for the end.

    `fitting` returns the measures that explain all batches so far: if several do, more is sent to distinguish them,
    and if none does, the prober looks for batches by time.
    """
    prober = _Prober(stage, pace, fitting)
    try:
        prober.run()
    except ProbeOverError as error:
        prober.trace.over = str(error)
    prober.trace.finished_at = stage.now()
    stage.finish()
    stage.wait_for_end(max(pace.patience, pace.longest))
    return prober.trace


class _Prober:
    def __init__(self, stage: ProbedStream, pace: Pace, fitting: Fitting) -> None:
        self._stage = stage
        self._fitting = fitting
        self._pace = pace
        self._output = stage.output
        self._total = stage.output.markers.count
        self.trace = Trace(steps=[], sent_at=[], bursts=[], stills=[])

    @property
    def _sent(self) -> int:
        return len(self.trace.sent_at)

    def run(self) -> None:
        """Send tokens until the verdict is known."""
        for _ in range(self._pace.tokens):
            if not self._step(1, self._pace.patience):
                self.trace.held_at = self._sent - 1
                self._grow()
                return
        if (latency := median(self.trace.latencies(self._output))) >= PROMPT:
            self._send_bursts(latency)

    def _step(self, tokens: int, seconds: float, *, any_new: bool = False) -> bool:
        """Send tokens, wait for all that were sent, or for any new one, and return whether they came out."""
        before = len(self._output.seen)
        up, at = self._send(tokens)
        sent = self._sent

        def done(output: ObservedOutput) -> bool:
            return len(output.seen) > before if any_new else len(output.seen) >= sent

        came = self._stage.wait(done, seconds)
        if came and any_new:
            self._settle()
        self.trace.steps.append(Step(sent, up, at, len(self._output.seen), self._output.size, self._stage.now()))
        if self._output.end is not None:
            raise ProbeOverError(f"the output ended after token {sent}, before the provider's stream did")
        return came

    def _send(self, tokens: int) -> tuple[int, float]:
        at = self._stage.now()  # before sending: a token may be seen before `send` returns
        up = self._stage.send(tokens)
        self.trace.sent_at += [at] * tokens
        return up, at

    def _settle(self) -> None:
        """Wait until the output pauses."""
        seconds = min(0.1, self._pace.wait)
        while self._stage.wait(_grows_from(self._output.size), seconds):
            pass

    def _grow(self) -> None:
        """Send more and more until something comes out, then again in small steps to measure what it takes."""
        self._play(self._growing())
        if not self.trace.releases or self.trace.first_only:
            return
        fitting = self._fitting(self.trace, self._output)
        if "tokens" in fitting and len(fitting) > 1:
            # Long tokens next: the same number of them has far more bytes.
            self._play(self._to_long_ones(), releases=1)
            self._play(self._careful(), releases=3)
            fitting = self._fitting(self.trace, self._output)
        first, held = self.trace.releases[0][1], self.trace.sent_at[self.trace.held_at or 0]
        if not fitting:
            self._hold_still(first.until - held)
        elif (interval := self._interval()) is not None:
            self._hold_still(interval)

    def _play(self, plan: Iterator[int], releases: int = _RELEASES) -> None:
        """Take the steps of a plan, and of a careful one after each release, until there were `releases` releases."""
        came = 0
        while came < releases and (count := next(plan, 0)):
            self._step(count, self._pace.wait, any_new=True)
            found = self.trace.releases
            if found and found[-1][1] is self.trace.steps[-1]:
                came += 1
                if came == releases - 1 and count == 1:
                    return  # the size is already known to one token
                plan = self._careful()

    def _interval(self) -> float | None:
        """The time between batches, if it was nearly the same each time, which may be by chance."""
        apart = [later[1].until - earlier[1].until for earlier, later in pairwise(self.trace.releases)]
        return max(apart) if len(apart) > 1 and max(apart) < 1.25 * min(apart) else None

    def _to_long_ones(self) -> Iterator[int]:
        count = self._output.markers.long_from - self._sent
        if count > 0:
            yield count

    def _growing(self) -> Iterator[int]:
        """Single short tokens, then steps that each double the text, up to the limit."""
        for _ in range(self._sent, self._pace.tokens):
            yield 1
        sizes = self._output.markers.sizes
        last = bisect(sizes, self._pace.max_bytes, hi=self._total - _RESERVE)
        while self._sent < last:
            doubled = bisect(sizes, 2 * sizes[self._sent], hi=last) - 1
            yield max(1, doubled - self._sent)

    def _careful(self) -> Iterator[int]:
        """At once the amount known not to cause a release, then small steps up to the amount known to cause one."""
        trace, sizes = self.trace, self._output.markers.sizes
        step = trace.steps[-1]
        framing = (step.up - sizes[step.sent]) // step.sent
        # The measures: tokens, the text in them, or all that the provider sends.
        amounts: tuple[Callable[[int], int], ...] = (
            lambda sent: sent,
            lambda sent: sizes[sent],
            lambda sent: sizes[sent] + framing * sent,
        )
        known = [trace.taken(amount) for amount in amounts]
        # A buffer that kept a rest has already filled part of its next block.
        rest = step.seen < step.sent
        least = [least // 2 if rest else least for least, _ in known]
        spread = [max(most - least, least // 2 if rest else 0) for least, most in known]
        last = self._total - _RESERVE

        def within(limits: Sequence[int]) -> int:
            """The number of tokens that is within all these limits."""
            count = 0
            while self._sent + count < last and all(
                amount(self._sent + count + 1) - amount(self._sent) <= limit
                for amount, limit in zip(amounts, limits, strict=True)
            ):
                count += 1
            return count

        if (skip := within(least)) > 1:
            yield skip
        while self._sent < last:
            yield max(1, within([size // _FINE for size in spread]))

    def _hold_still(self, seconds: float) -> None:
        """Send one token and wait for longer than this: does it come out without more, and late?

        A token that comes out at once was long enough for a batch of its own.
        """
        if self._sent < self._total:
            still = self._send_together(1, 0.0, min(self._pace.longest, 1.25 * seconds))
            if still.seen and still.seen[0] - still.sent[0] > self._pace.patience / 2:
                self.trace.stills.append(still)

    def _send_bursts(self, latency: float) -> None:
        for _ in range(_BURSTS):
            self.trace.bursts.append(self._send_together(_BURST, latency / _BURST, self._pace.patience))

    def _send_together(self, count: int, apart: float, seconds: float) -> Burst:
        first = self._sent
        for number in range(count):
            if number:
                self._stage.wait(lambda _: False, apart)
            self._send(1)
        sent = self._sent
        self._stage.wait(lambda output: len(output.seen) >= sent, seconds)
        numbers = [number for number in range(first, sent) if number in self._output.seen]
        return Burst(
            tuple(self.trace.sent_at[number] for number in numbers),
            tuple(self._output.seen[number] for number in numbers),
        )


def _grows_from(size: int) -> Callable[[ObservedOutput], bool]:
    return lambda output: output.size > size
