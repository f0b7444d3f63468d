"""Families: the distributions of a profile, as densities, and the most likely one for measured times."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist
from typing import Final, NamedTuple, assert_never

from tokentape_fake_provider.timing import Distribution

# Below this jitter a latency is as good as constant: recorded times have microseconds.
CONSTANT: Final = 0.005
_LEAST, _MOST = CONSTANT, 4.0
# Above it, too many draws of a normal distribution are below 0 and drawn again for the result to be normal.
_MOST_NORMAL = 0.4
_MOST_UNIFORM = 1 / math.sqrt(3)
_SAMPLE = 4000
_ENOUGH = 30
_STEPS = 24
_LARGE_SHAPE = 10_000
_STANDARD = NormalDist()


class Sample(NamedTuple):
    """A time in ms, the sum of the latencies of `tokens` tokens."""

    time: float
    tokens: int = 1


class Fit(NamedTuple):
    """The most likely family for the samples.

    `ks` is the Kolmogorov-Smirnov distance: the largest difference, over all times, between the share of samples below
    a time and that of the family, from 0 (equal) to 1.
    """

    distribution: Distribution
    mean: float
    jitter: float
    ks: float


def fit_family(samples: Sequence[Sample]) -> Fit:
    """Mean, jitter and family of these times; fewer than 30 times are taken for log-normal.

    The mean is that of the samples. For each family the jitter is the most likely one. A sum of several log-normal
    latencies is treated as log-normal, a sum of several uniform ones as normal.
    """
    mean = sum(sample.time for sample in samples) / sum(sample.tokens for sample in samples)
    if mean <= 0:
        return Fit("constant", 0.0, 0.0, 0.0)
    spread = _spread(samples, mean)
    if spread < CONSTANT:
        return Fit("constant", mean, 0.0, 0.0)
    thinned = samples[:: math.ceil(len(samples) / _SAMPLE)]
    families: Sequence[Distribution] = ("lognormal", "gamma", "normal", "uniform")
    if len(samples) < _ENOUGH:
        families = ("lognormal",)
    found: list[tuple[float, Distribution, float]] = []
    for family in families:
        if family == "normal" and spread > _MOST_NORMAL:
            continue
        most = {"normal": _MOST_NORMAL, "uniform": _MOST_UNIFORM}.get(family, _MOST)
        least = _least_uniform(thinned, mean) if family == "uniform" else _LEAST
        if least >= most:
            continue
        likelihood = partial(_log_likelihood, thinned, family, mean)
        jitter = _best(likelihood, least, most)
        found.append((likelihood(jitter), family, jitter))
    _, family, jitter = max(found)
    return Fit(family, mean, jitter, distance(thinned, family, mean, jitter))


def distance(samples: Sequence[Sample], family: Distribution, mean: float, jitter: float) -> float:
    """The Kolmogorov-Smirnov distance of samples from a family."""
    shares = sorted(_share_below(sample, family, mean, jitter) for sample in samples)
    count = len(shares)
    return max((max(share - rank / count, (rank + 1) / count - share) for rank, share in enumerate(shares)), default=0)


def _spread(samples: Sequence[Sample], mean: float) -> float:
    squares = sum((sample.time - sample.tokens * mean) ** 2 / sample.tokens for sample in samples)
    return math.sqrt(squares / len(samples)) / mean


def _least_uniform(samples: Sequence[Sample], mean: float) -> float:
    """The jitter of the narrowest uniform distribution that holds all single latencies."""
    widest = max((abs(sample.time - mean) for sample in samples if sample.tokens == 1), default=0.0)
    return max(widest / mean / math.sqrt(3) * (1 + 1e-9), _LEAST)


def _best(value: Callable[[float], float], least: float, most: float) -> float:
    """The argument at which a function with one peak is highest, by golden-section search on a logarithmic scale."""
    golden = (math.sqrt(5) - 1) / 2
    low, high = math.log(least), math.log(most)
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = value(math.exp(left)), value(math.exp(right))
    for _ in range(_STEPS):
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = value(math.exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = value(math.exp(right))
    return math.exp(low if value(math.exp(low)) >= max(at_left, at_right) else (left + right) / 2)


def _log_likelihood(samples: Sequence[Sample], family: Distribution, mean: float, jitter: float) -> float:
    return sum(_log_density(sample, family, mean, jitter) for sample in samples)


def _log_density(sample: Sample, family: Distribution, mean: float, jitter: float) -> float:
    time, count = sample
    match family:
        case "normal":
            return _normal_log_density(time, count * mean, math.sqrt(count) * jitter * mean)
        case "lognormal":
            if time <= 0:
                return -math.inf
            centre, sigma = _lognormal(sample, mean, jitter)
            return _normal_log_density(math.log(time), centre, sigma) - math.log(time)
        case "gamma":
            if time <= 0:
                return -math.inf
            shape, scale = count / jitter**2, mean * jitter**2
            return (shape - 1) * math.log(time / scale) - time / scale - math.lgamma(shape) - math.log(scale)
        case "uniform":
            if count > 1:
                return _normal_log_density(time, count * mean, math.sqrt(count) * jitter * mean)
            half = mean * jitter * math.sqrt(3)
            return -math.log(2 * half) if abs(time - mean) <= half else -math.inf
        case "constant":
            raise ValueError("a constant has no density")
    assert_never(family)


def _share_below(sample: Sample, family: Distribution, mean: float, jitter: float) -> float:
    """The share of the family's times below this one."""
    time, count = sample
    match family:
        case "normal":
            return _STANDARD.cdf((time - count * mean) / (math.sqrt(count) * jitter * mean))
        case "lognormal":
            centre, sigma = _lognormal(sample, mean, jitter)
            return _STANDARD.cdf((math.log(time) - centre) / sigma) if time > 0 else 0.0
        case "gamma":
            return gamma_share(count / jitter**2, time / (mean * jitter**2))
        case "uniform":
            if count > 1:
                return _STANDARD.cdf((time - count * mean) / (math.sqrt(count) * jitter * mean))
            half = mean * jitter * math.sqrt(3)
            return min(1.0, max(0.0, (time - mean + half) / (2 * half)))
        case "constant":
            return 0.5
    assert_never(family)


def _lognormal(sample: Sample, mean: float, jitter: float) -> tuple[float, float]:
    """Centre and sigma of the log-normal distribution with the mean and variance of the sum (Fenton 1960)."""
    variance = math.log1p(jitter**2 / sample.tokens)
    return math.log(sample.tokens * mean) - variance / 2, math.sqrt(variance)


def _normal_log_density(value: float, mean: float, sigma: float) -> float:
    return -(((value - mean) / sigma) ** 2) / 2 - math.log(sigma) - 0.9189385332046727


def gamma_share(shape: float, value: float) -> float:
    """The regularized lower incomplete gamma function, P(shape, value).

    Below `shape + 1` it is the series, above it the continued fraction of the upper function by Lentz's method (DLMF
    8.11.4, 8.9.2). Both are slow for large shapes, where the cube root of a gamma variable is nearly normal (Wilson and
    Hilferty 1931).
    """
    if value <= 0:
        return 0.0
    if shape > _LARGE_SHAPE:
        return _STANDARD.cdf(3 * math.sqrt(shape) * ((value / shape) ** (1 / 3) - 1 + 1 / (9 * shape)))
    front = math.exp(shape * math.log(value) - value - math.lgamma(shape))
    if value < shape + 1:
        term = total = 1 / shape
        step = shape
        while term > total * 1e-12:
            step += 1
            term *= value / step
            total += term
        return min(1.0, front * total)
    tiny = 1e-300
    b = value + 1 - shape
    c, d = 1 / tiny, 1 / b
    fraction = d
    for number in range(1, 1000):
        a = -number * (number - shape)
        b += 2
        d = 1 / (a * d + b or tiny)
        c = b + a / c or tiny
        fraction *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return max(0.0, 1 - front * fraction)
