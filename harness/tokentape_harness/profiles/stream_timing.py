"""Stream timing: latencies and rate of a stream, from the arrival of each token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

# ms
_ONE_ARRIVAL: Final = 1.0


class StreamTiming(msgspec.Struct, frozen=True):
    """Times in ms; `None` if there were too few tokens.

    `ttft` is the time to first token, `itl_p50` and `itl_p95` percentiles of the inter-token latency (the gaps
    between chunks with tokens), `total` the time until the stream ended, `tokens_per_s` the rate from the first such
    chunk to the last; it is `None` if all arrived within 1 ms.
    """

    ttft: float | None
    itl_p50: float | None
    itl_p95: float | None
    total: float
    tokens_per_s: float | None


def timing_of(arrivals: Sequence[float], total: float, tokens: int | None = None) -> StreamTiming:
    """The timing of a stream whose chunks with tokens arrived at these times, in ms since the request.

    `tokens` is the provider's own count of output tokens; without it each chunk counts as one.
    """
    gaps = sorted(later - earlier for earlier, later in pairwise(arrivals))
    span = arrivals[-1] - arrivals[0] if arrivals else 0.0
    count = len(arrivals) if tokens is None else tokens
    return StreamTiming(
        arrivals[0] if arrivals else None,
        percentile(gaps, 50),
        percentile(gaps, 95),
        total,
        # The first token is the start of the span and not counted within it.
        (count - 1) / span * 1000 if span >= _ONE_ARRIVAL and count > 1 else None,
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of ordered values; `None` without values."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]
