"""Pauses: find which of the longest gaps are pauses, not latencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

_MOST: Final = 0.1
# The least standard deviation of the logarithms of pauses: a few equal ones would else be too likely.
_LEAST_SIGMA: Final = 0.5
# A share of pauses, their mean and their jitter.
_PARAMETERS: Final = 3


def count_pauses(latencies: Sequence[float]) -> int:
    """The number of pauses at the end of these latencies, which are positive and in ascending order.

    There are pauses if two log-normal distributions, one for latencies and one for pauses, are more likely than one, by
    more than the penalty for their further parameters (Schwarz 1978). Gamma, normal and uniform latencies have lighter
    tails, and so have no pauses by this test.
    """
    logs = [math.log(latency) for latency in latencies]
    count = len(logs)
    sums, squares = [0.0, *accumulate(logs)], [0.0, *accumulate(log * log for log in logs)]

    def likelihood(first: int, end: int, least_sigma: float = 1e-6) -> float:
        """The log-likelihood of the latencies in this range, as a log-normal share of all."""
        size = end - first
        mean = (sums[end] - sums[first]) / size
        variance = max((squares[end] - squares[first]) / size - mean * mean, 1e-12)
        taken = max(variance, least_sigma**2)
        spread = math.log(2 * math.pi * taken) + variance / taken
        return size * (math.log(size / count) - spread / 2)

    found, best = 0, _PARAMETERS / 2 * math.log(count) if count else 0.0
    whole = likelihood(0, count) if count else 0.0
    for pauses in range(1, int(count * _MOST) + 1):
        gain = likelihood(0, count - pauses) + likelihood(count - pauses, count, _LEAST_SIGMA) - whole
        if gain > best:
            found, best = pauses, gain
    return found
