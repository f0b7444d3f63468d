"""Learning: learn a profile from the times of recorded streams."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Final

import msgspec

from tokentape_fake_provider.timing import Conditions, FirstToken, Fitted, InterToken, Pauses, Profile
from tokentape_harness.errors import UsageError
from tokentape_harness.profiles.families import Sample, fit_family
from tokentape_harness.profiles.observed import Arrival, Observed
from tokentape_harness.profiles.pauses import count_pauses
from tokentape_harness.profiles.regression import regress

# The pieces of one read of a socket are some 0.1 ms apart; the latencies of fast models are not much longer.
_TOGETHER_MS: Final = 0.25
_TOGETHER_SHARE: Final = 0.05
# A few events come together by chance.
_FEWEST_BURSTS: Final = 0.02
_ENOUGH_STREAMS: Final = 8
_LEAST_HEAD_START: Final = 0.5
_MOST_SIZES: Final = 20


def learn_profile(streams: Sequence[Observed]) -> Profile:
    """The most likely profile for the times of these streams. Raises `UsageError` if there is no stream.

    A prefill is learned from at least 8 streams, if its slope is at least 3 standard errors. The load at which they
    were recorded is unknown, so a learned profile has none.
    """
    if not streams:
        raise UsageError("no stream with times and tokens to learn a profile from: record some")
    first, ttft_ks = _first_token(streams)
    sizes, arrivals = _arrivals(streams)
    between, pauses, latency_ks = _latency([gap for stream in arrivals for gap in _gaps(stream)])
    events = [event for stream in streams for event in stream.events]
    return Profile(
        ttft=first,
        latency=between,
        tokens_per_event=_weights(Counter(event.text_tokens for event in events if event.text_tokens)),
        events_per_arrival=_weights(sizes),
        pauses=pauses,
        fitted=Fitted(
            streams=len(streams),
            chunks=len(events),
            tokens=sum(event.tokens for event in events),
            models=tuple(sorted({stream.model for stream in streams if stream.model})),
            ttft_ks=ttft_ks,
            latency_ks=latency_ks,
        ),
    )


def _first_token(streams: Sequence[Observed]) -> tuple[FirstToken, float | None]:
    times = [stream.ttft for stream in streams]
    conditions = [Conditions(stream.input or 0, min(stream.cached, stream.input or 0)) for stream in streams]
    costs = {"base": fmean(times)}
    if len(streams) >= _ENOUGH_STREAMS and all(stream.input is not None for stream in streams):
        columns = {
            "base": [1.0] * len(streams),
            "input": [float(each.input - each.cached) for each in conditions],
            "cached": [float(each.cached) for each in conditions],
        }
        # Without any certain cost the base is the mean.
        costs = regress(columns, times, constant="base") or costs
    first = FirstToken(
        _rounded(costs.get("base", 0.0)),
        _rounded(costs.get("input", 0.0)),
        _rounded(costs.get("cached", 0.0)),
        headers_ms=_headers(streams),
    )
    expected = [first.expected(each) for each in conditions]
    shares = [Sample(time / mean) for time, mean in zip(times, expected, strict=True) if mean > 0]
    if len(shares) < 3:
        return first, None
    noise = fit_family(shares)
    first = msgspec.structs.replace(first, jitter=_rounded(noise.jitter), distribution=noise.distribution)
    return first, _rounded(noise.ks)


def _headers(streams: Sequence[Observed]) -> float | None:
    """The time of the headers in ms, if they came before the first token."""
    known = [(stream.headers, stream.ttft) for stream in streams if stream.headers is not None]
    if not known or median(ttft - headers for headers, ttft in known) < _LEAST_HEAD_START:
        return None
    return _rounded(median(headers for headers, _ in known))


def _arrivals(streams: Sequence[Observed]) -> tuple[Counter[int], list[list[Arrival]]]:
    """How often each number of events came together, and the arrivals of each stream."""
    gaps = [later.at - sooner.at for stream in streams for sooner, later in pairwise(stream.events)]
    positive = [gap for gap in gaps if gap > 0]
    together = min(_TOGETHER_MS, _TOGETHER_SHARE * median(positive)) if positive else 0.0
    arrivals = [stream.arrivals(together) for stream in streams]
    sizes = Counter(arrival.events for stream in arrivals for arrival in stream)
    several = sizes.total() - sizes[1]
    return sizes if several >= _FEWEST_BURSTS * sizes.total() else Counter(), arrivals


def _gaps(arrivals: Sequence[Arrival]) -> Iterator[Sample]:
    for sooner, later in pairwise(arrivals):
        yield Sample(later.at - sooner.at, later.tokens)


def _latency(gaps: Sequence[Sample]) -> tuple[InterToken, Pauses | None, float | None]:
    if not gaps:
        return InterToken(), None, None
    ordered = sorted(gaps, key=lambda gap: gap.time / gap.tokens)
    paused = count_pauses([gap.time / gap.tokens for gap in ordered])
    plain = ordered[: len(ordered) - paused]
    found = fit_family(plain)
    between = InterToken(_rounded(found.mean), _rounded(found.jitter), found.distribution)
    if not paused:
        return between, None, _rounded(found.ks)
    waited = [max(0.0, gap.time - gap.tokens * found.mean) for gap in ordered[len(plain) :]]
    mean = fmean(waited)
    spread = math.sqrt(fmean((wait - mean) ** 2 for wait in waited)) / mean
    pauses = Pauses(_rounded(paused / len(ordered)), _rounded(mean), _rounded(spread))
    return between, pauses, _rounded(found.ks)


def _weights(sizes: Counter[int]) -> dict[int, float]:
    """Sizes and how often they came; more than 20 sizes are put in bins of about equally many events."""
    if len(sizes) <= _MOST_SIZES:
        return {size: float(sizes[size]) for size in sorted(sizes)}
    bins: Counter[int] = Counter()
    held: list[int] = []
    for size in sorted(sizes.elements()):
        held.append(size)
        if len(held) * _MOST_SIZES >= sizes.total():
            bins[round(fmean(held))] += len(held)
            held = []
    if held:
        bins[round(fmean(held))] += len(held)
    return {size: float(count) for size, count in bins.items()}


def _rounded(value: float) -> float:
    """The value with four digits, the precision of recordings."""
    return float(f"{value:.4g}")
