"""Inter-token latency: how long after a token the next one comes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import assert_never

from tokentape_fake_provider.timing.kinds import Synthetic


def inter_token_latency(timing: Synthetic, draw: random.Random) -> Callable[[], float]:
    """A function that draws one inter-token latency in ms."""
    mean, jitter = 1000.0 / timing.tps, timing.jitter
    if jitter < 1e-6:  # of no effect, and its square may underflow
        return lambda: mean
    match timing.distribution:
        case "normal":

            def normal() -> float:
                while (latency := draw.gauss(mean, jitter * mean)) < 0:
                    pass
                return latency

            return normal
        case "lognormal":
            variance = math.log1p(jitter * jitter)
            centre, sigma = math.log(mean) - variance / 2, math.sqrt(variance)
            return lambda: draw.lognormvariate(centre, sigma)
        case "gamma":
            return lambda: draw.gammavariate(1 / (jitter * jitter), mean * jitter * jitter)
        case "uniform":
            half = min(mean, mean * jitter * math.sqrt(3))
            return lambda: draw.uniform(mean - half, mean + half)
    assert_never(timing.distribution)
