"""The random distributions of times, and their checks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Literal, assert_never

from tokentape_fake_provider.errors import TimingError

Distribution = Literal["constant", "normal", "lognormal", "gamma", "uniform"]

# Less jitter has no effect, and its square may underflow.
_NO_JITTER = 1e-6

MOST_SIZES = 1000
LARGEST_SIZE = 100_000


def check(true: bool, problem: str) -> None:
    """Raise `TimingError` with this problem unless the condition is true."""
    if not true:
        raise TimingError(f"timing: {problem}")


def check_ms(name: str, value: float) -> None:
    """Raise `TimingError` unless the time in ms is finite and not negative."""
    check(math.isfinite(value) and value >= 0, f"{name} must be 0 ms or more, not {value:g} ms")


def check_rate(name: str, value: float) -> None:
    """Raise `TimingError` unless the rate is finite and more than 0."""
    check(value != math.inf, f"{name} must be a finite number, not inf: use instant for no waits at all")
    check(value > 0, f"{name} must be more than 0, not {value:g}")


def check_jitter(jitter: float, distribution: Distribution) -> None:
    """Raise `TimingError` for a jitter that this distribution can't have."""
    check(math.isfinite(jitter) and 0 <= jitter <= 10, f"jitter must be 0 to 10, not {jitter:g}")
    check(
        distribution != "uniform" or jitter <= 1 / math.sqrt(3),
        f"jitter of a uniform distribution is at most 0.577, not {jitter:g}: use gamma",
    )
    check(
        distribution != "constant" or jitter == 0,
        f"a constant has no jitter, but it is {jitter:g}: use lognormal",
    )


def check_sizes(name: str, sizes: Mapping[int, float]) -> None:
    """Raise `TimingError` for sizes that can't be drawn from."""
    check(len(sizes) <= MOST_SIZES, f"{name} has {len(sizes)} sizes: use at most {MOST_SIZES}")
    for size, weight in sizes.items():
        check(1 <= size <= LARGEST_SIZE, f"{name}: a size is 1 to {LARGEST_SIZE}, not {size}")
        check(math.isfinite(weight) and weight >= 0, f"{name}: the weight of {size} must be 0 or more, not {weight:g}")
    check(not sizes or sum(sizes.values()) > 0, f"{name}: all weights are 0: give one size a weight")


def is_constant(mean: float, jitter: float) -> bool:
    """Whether times with this mean and jitter are all the same."""
    return mean == 0 or jitter < _NO_JITTER


def sampler(distribution: Distribution, mean: float, jitter: float, draw: random.Random) -> Callable[[], float]:
    """Return a function that draws times with this mean and a standard deviation of `jitter` times the mean.

    A normal distribution redraws values below 0, which raises its mean if the jitter is above 0.4.
    """
    if is_constant(mean, jitter):
        return lambda: mean
    match distribution:
        case "constant":
            return lambda: mean
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
    assert_never(distribution)


def size_sampler(sizes: Mapping[int, float], draw: random.Random) -> Callable[[], int]:
    """Return a function that draws one of these sizes by its weight; without sizes it returns 1."""
    if not sizes:
        return lambda: 1
    values, weights = tuple(sizes), tuple(accumulate(sizes.values()))
    return lambda: draw.choices(values, cum_weights=weights)[0]
