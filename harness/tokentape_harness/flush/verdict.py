"""Verdict: how tokens came out, derived from the trace of a probe. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, Literal, NamedTuple

import msgspec

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.prober import Burst, Measure, Step, Trace

Verdict = Literal[
    "flushed",
    "all_at_end",
    "headers_early",
    "byte_batches",
    "time_batches",
    "token_batches",
    "first_reader_blocks",
]

# With this many releases, the size is known without the first of them.
_SURE: Final = 3
# Of the time that a token takes by itself. Of held tokens that are sent within it, all but the first two come sooner.
_FAR_SOONER: Final = 2 / 3
# The longest wait for a timer, of the shortest: a busy machine adds half a period.
_REGULAR: Final = 1.6
# Buffers seldom have other sizes.
_USUAL_SIZES: Final = tuple(1 << power for power in range(7, 23))


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """How tokens came out.

    `size` is the size of a batch in bytes, seconds or tokens, by `verdict`; `None` if no number fits. `exact` means
    that blocks of exactly this size came. `counted` is where bytes were counted: in the output, or in the provider's
    stream. With `lag`, each token waits for the `size` tokens after it; with `first_only`, tokens are held until
    `size` is reached, and none after that. `headers_early` is whether the response's head came while tokens were held.
    """

    verdict: Verdict
    size: float | None = None
    exact: bool = False
    counted: Measure = "output"
    lag: bool = False
    first_only: bool = False
    headers_early: bool = False


def shape_of(trace: Trace, output: ObservedOutput) -> Shape:
    """The shape of a probe, from its trace so far."""
    if trace.held_at is None:
        alone = median(trace.latencies(output)) if trace.bursts else 0.0
        held = [burst for burst in trace.bursts if came_together(burst, alone)]
        waits = [burst.seen[0] - burst.sent[0] for burst in held]
        # A timer makes the first of each burst wait for its period; a busy machine, for any time.
        if len(held) * 2 > len(trace.bursts) and max(waits) < _REGULAR * min(waits):
            return Shape("time_batches", median(waits), headers_early=_headers_early(trace, output))
        return Shape("flushed")
    early = _headers_early(trace, output)
    if not trace.releases:
        return Shape("headers_early" if early else "all_at_end", headers_early=early)
    stills = [still.seen[0] - still.sent[0] for still in trace.stills if still.seen]
    if stills:
        return Shape("time_batches", max(stills), headers_early=early)
    return msgspec.structs.replace(_batches(trace, output), headers_early=early)


def came_together(burst: Burst, alone: float) -> bool:
    """Whether a token came out with the one before it, and far sooner than by itself: it was held, not just slow.

    `alone` is how long a token takes by itself, in s. A busy machine spreads tokens, and brings slow ones together, but
    lets none come out sooner.
    """
    return any(
        seen - seen_before < (sent - sent_before) / 2 and seen - sent < _FAR_SOONER * alone
        for (sent_before, seen_before), (sent, seen) in pairwise(zip(burst.sent, burst.seen, strict=True))
    )


def fitting(trace: Trace, output: ObservedOutput) -> set[Measure]:
    """The measures that explain all batches so far."""
    if _block_size(trace.releases, output) is not None:
        return {"output"}
    return {measure for measure, amount in _amounts(output).items() if _size(trace.releases, trace.begin, amount).fits}


def _amounts(output: ObservedOutput) -> dict[Measure, Callable[[Step], float]]:
    """The amount that each step had reached, in each measure."""
    sizes = output.markers.sizes
    # Before all tokens came out, only their own text is known.
    in_output = _end_of_tokens(output) if output.end is not None else lambda step: sizes[step.sent]
    return {"output": in_output, "provider": lambda step: step.up, "tokens": lambda step: step.sent}


def _headers_early(trace: Trace, output: ObservedOutput) -> bool:
    """Whether the head came before the step that released the first tokens."""
    if output.head is None:
        return False
    if trace.releases:
        return output.head.at < trace.releases[0][1].at
    if trace.held_at is not None:
        return output.head.at < trace.finished_at
    # The tokens came by themselves: the head came with them, or while they were held.
    return output.head.at < (trace.sent_at[0] + output.seen[0]) / 2


class _Interval(NamedTuple):
    """More than `low`, at most `high`."""

    low: float
    high: float

    @property
    def fits(self) -> bool:
        return self.low < self.high * 1.02


def _batches(trace: Trace, output: ObservedOutput) -> Shape:
    releases = trace.releases
    after_first = [step for step in trace.steps if step.at >= releases[0][1].at]
    lags = {step.sent - step.seen for step in after_first}
    if len(after_first) >= 3 and len(lags) == 1 and len(releases) == len(after_first) and (lag := lags.pop()):
        return Shape("token_batches", lag, lag=True)
    if trace.first_only:
        releases = releases[:1]
    elif (exact := _block_size(releases, output)) is not None:
        return Shape("byte_batches", exact, exact=True)
    amounts = _amounts(output)
    sizes = {measure: _size(releases, trace.begin, amount) for measure, amount in amounts.items()}
    for measure, size in sizes.items():
        if size.fits and measure == "tokens":
            came = math.gcd(*(after.seen - earlier.seen for (_, earlier), (_, after) in pairwise(releases)))
            many = came if came > 1 else round(size.high)
            return Shape("token_batches", many, first_only=trace.first_only)
        if size.fits:
            return Shape("byte_batches", _likely(size), counted=measure, first_only=trace.first_only)
    return Shape("byte_batches")


def _end_of_tokens(output: ObservedOutput) -> Callable[[Step], float]:
    """Where in the output the tokens of a step end, approximately; known once all came out."""
    offsets, markers = output.offsets, output.markers
    framing = max(0, offsets.get(1, 0) - offsets.get(0, 0) - len(markers.token(0)))
    return lambda step: offsets.get(step.sent, output.size + framing) - framing


def _size(releases: Sequence[tuple[Step, Step]], begin: Step, amount: Callable[[Step], float]) -> _Interval:
    """The batch size that all releases allow.

    A release of everything starts a new batch; one that keeps a rest continues from where the batch was filled,
    which is between the two steps.
    """
    low, high = 0.0, float("inf")
    filled_low = filled_high = 0.0 if not begin.sent else amount(begin)
    for number, (before, after) in enumerate(releases):
        least, most = amount(before), amount(after)
        # The first batch may include heads and frames without a token.
        high = min(high, most - filled_low) if number or len(releases) < _SURE else high
        low = max(low, least - filled_high)
        filled_high = most
        filled_low = most if after.seen == after.sent else least
    return _Interval(low, high)


def _block_size(releases: Sequence[tuple[Step, Step]], output: ObservedOutput) -> int | None:
    """The size of the blocks, if they were equal and ended anywhere within tokens."""
    sizes = [after.received - earlier.received for (_, earlier), (_, after) in pairwise(releases)]
    ends = {output.offsets[after.seen] - after.received for _, after in releases if after.seen in output.offsets}
    size = math.gcd(*sizes)
    return size if len(sizes) >= 2 and len(ends) > 1 and size >= _USUAL_SIZES[0] else None


def _likely(size: _Interval) -> float:
    """The usual buffer size in an interval; otherwise its middle, rounded to two digits."""
    for usual in reversed(_USUAL_SIZES):
        if size.low * 0.98 <= usual <= size.high * 1.02:
            return usual
    middle = (size.low + size.high) / 2
    return float(f"{middle:.2g}")
