"""The report of a load test: percentiles of what the users saw, and of what the provider says of the same requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

import msgspec

from tokentape_harness.load.provider_times import ProviderTimes
from tokentape_harness.load.sample import Sample
from tokentape_harness.profiles.stream_timing import percentile, timing_of

_SHARES: Final = (50, 90, 99)
# From this median on, in ms, and this part of what was added to the first token the load generator is the bottleneck.
_LATE: Final = 20.0
_MUCH: Final = 0.5


class Spread(msgspec.Struct, frozen=True):
    """Percentiles and the greatest of some values, in ms or tokens/s; `count` of them."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float


class ProviderShare(msgspec.Struct, frozen=True):
    """The part of the times that is the fake provider's, over the `joined` requests that are in its journal.

    `lateness` is how late its latest frame of each stream was, `added` the time to first token less the provider's own.
    """

    joined: int
    time_to_first_token: Spread | None
    lateness: Spread | None
    added: Spread | None


class LoadReport(msgspec.Struct, frozen=True):
    """What the users saw. Times are in ms; `errors` counts by type, with the message of the first of each.

    `at_once` complete streams had several tokens, all within 1 ms. `unfinished` streams were open when the run ended,
    and are in no other number. `generator_lateness` is for how long the processes of the users were late until the
    first token of each stream.
    """

    users: int
    requests: int
    complete: int
    seconds: float
    time_to_first_token: Spread | None
    inter_token_latency: Spread | None
    total: Spread | None
    tokens_per_second: Spread | None
    all_tokens_per_second: float
    requests_per_second: float
    failed: int
    truncated: int
    unfinished: int
    at_once: int
    errors: Mapping[str, int]
    problems: Mapping[str, str]
    generator_lateness: Spread | None
    provider: ProviderShare | None

    def lines(self) -> list[str]:
        """Return the report as text."""
        out = [self.headline, "", f"{'':<24}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}"]
        out += [f"{name:<24}" + "".join(f"{cell:>10}" for cell in cells) for name, *cells in self.rows()]
        return [*out, "", *self.notes()]

    @property
    def headline(self) -> str:
        """How many users, streams and tokens."""
        rate = f"{self.requests_per_second:.1f} requests/s, {self.all_tokens_per_second:,.0f} tokens/s"
        return f"users {self.users}, streams {self.requests} in {self.seconds:.1f} s: {rate}"

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """The name of each spread, its percentiles and its maximum."""
        rows: list[tuple[str, Spread | None]] = [
            ("time to first token, ms", self.time_to_first_token),
            ("inter-token latency, ms", self.inter_token_latency),
            ("whole stream, ms", self.total),
            ("tokens/s of a stream", self.tokens_per_second),
        ]
        if self.provider is not None:
            rows += [
                ("provider: first token", self.provider.time_to_first_token),
                ("provider: lateness", self.provider.lateness),
                ("added to first token", self.provider.added),
            ]
        rows.append(("load generator: lateness", self.generator_lateness))
        return [_row(name, spread) for name, spread in rows if spread is not None]

    def notes(self) -> list[str]:
        """How many streams failed and why, and who was late by how much."""
        unfinished = f", unfinished {self.unfinished}" if self.unfinished else ""
        out = [f"complete {self.complete}, failed {self.failed}, of these truncated {self.truncated}{unfinished}"]
        out += [f"  {count} x {name}: {self.problems.get(name, '')}" for name, count in self.errors.items()]
        if self.at_once:
            reasons = "something buffers them, they were sent so (--timing instant), or the response is not a stream"
            out.append(f"{self.at_once} arrived at once: {reasons}")
        return [*out, *self._verdict()]

    def _verdict(self) -> list[str]:
        provider = self.provider
        if provider is None or self.time_to_first_token is None:
            return []
        if provider.lateness is None:
            dropped = "a gateway may drop the header that marks them; --mark-prompt puts the mark into the prompt"
            return [f"none of the requests is in the provider's journal: {dropped}"]
        late = f"the provider was late by at most {provider.lateness.max:.1f} ms: the rest is your app or gateway"
        part = "" if provider.joined == self.requests else f" (of {provider.joined} of the {self.requests} requests)"
        return [late + part, *self._own_part()]

    def _own_part(self) -> list[str]:
        """What of the rest is neither the app's nor the gateway's."""
        own, added = self.generator_lateness, None if self.provider is None else self.provider.added
        if own is None:
            return []
        is_bottleneck = own.p50 > _LATE and (added is None or own.p50 > _MUCH * added.p50)
        advice = "; give it more --processes, or another machine" if is_bottleneck else ""
        return [f"of that rest, up to {own.max:.1f} ms are the load generator's own lateness{advice}"]


def summarise(
    samples: Sequence[Sample], *, users: int, provider: Mapping[str, ProviderTimes] | None = None
) -> LoadReport:
    """Compute the report of these samples; `provider` has the provider's times by the samples' ids.

    One of the samples at least is of a stream that ended.
    """
    unfinished = sum(sample.unfinished for sample in samples)
    samples = [sample for sample in samples if not sample.unfinished]
    began = min(sample.began for sample in samples)
    seconds = max(sample.began + sample.total / 1000 for sample in samples) - began
    whole = [sample for sample in samples if not sample.error]
    tokens = sum(_tokens(sample) for sample in samples)
    rates = (timing_of(sample.arrivals, sample.total, sample.tokens).tokens_per_s for sample in whole)
    problems: dict[str, str] = {}
    for sample in samples:
        if sample.error:
            problems.setdefault(sample.error, sample.problem)
    return LoadReport(
        users=users,
        requests=len(samples),
        complete=len(whole),
        seconds=seconds,
        time_to_first_token=spread(sample.first for sample in samples),
        inter_token_latency=spread(chain.from_iterable(sample.gaps for sample in samples)),
        total=spread(sample.total for sample in whole),
        tokens_per_second=spread(rates),
        all_tokens_per_second=tokens / seconds if seconds else 0.0,
        requests_per_second=len(samples) / seconds if seconds else 0.0,
        failed=len(samples) - len(whole),
        truncated=sum(sample.truncated for sample in samples),
        unfinished=unfinished,
        at_once=sum(_tokens(sample) > 1 and _span(sample) < 1 for sample in whole),
        errors=dict(Counter(sample.error for sample in samples if sample.error).most_common()),
        problems=problems,
        generator_lateness=spread(sample.lag for sample in samples),
        provider=None if provider is None else _provider_share(samples, provider),
    )


def _provider_share(samples: Iterable[Sample], times: Mapping[str, ProviderTimes]) -> ProviderShare:
    joined = [(sample, times[sample.id]) for sample in samples if sample.id in times]
    added = (sample.first - its.first for sample, its in joined if sample.first is not None and its.first is not None)
    return ProviderShare(
        len(joined),
        spread(its.first for sample, its in joined if sample.first is not None),
        spread(its.lateness for _, its in joined),
        spread(added),
    )


def spread(values: Iterable[float | None]) -> Spread | None:
    """The percentiles of the values that are there; `None` if none is."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    p50, p90, p99 = (percentile(ordered, share) or 0.0 for share in _SHARES)
    return Spread(len(ordered), p50, p90, p99, ordered[-1])


def _tokens(sample: Sample) -> int:
    return len(sample.arrivals) if sample.tokens is None else sample.tokens


def _span(sample: Sample) -> float:
    return sample.arrivals[-1] - sample.arrivals[0] if sample.arrivals else 0.0


def _row(name: str, spread: Spread) -> tuple[str, str, str, str, str]:
    return name, f"{spread.p50:,.1f}", f"{spread.p90:,.1f}", f"{spread.p99:,.1f}", f"{spread.max:,.1f}"
