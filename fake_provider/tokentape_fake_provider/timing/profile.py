"""The timing of one model at one provider, written by hand or learned from recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tokentape_fake_provider.timing.distribution import Distribution, check, check_jitter, check_ms, check_sizes

VERSION = 1


class Conditions(NamedTuple):
    """The conditions that the times of a response depend on, besides its content.

    `cached` is a part of `input`, both in tokens; `in_flight` is the number of responses that the session is sending,
    including this one.
    """

    input: int = 0
    cached: int = 0
    in_flight: int = 1


class FirstToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time to first token, in ms: `base_ms`, and a prefill for each input token, less for one in the prompt cache.

    `jitter` is the standard deviation as a fraction of the mean. The headers are sent after `headers_ms`, or with the
    first token if that is `None` or later.
    """

    base_ms: float = 300.0
    per_input_token_ms: float = 0.0
    per_cached_token_ms: float = 0.0
    jitter: float = 0.0
    distribution: Distribution = "lognormal"
    headers_ms: float | None = None

    def __post_init__(self) -> None:
        check_ms("base_ms", self.base_ms)
        check_ms("per_input_token_ms", self.per_input_token_ms)
        check_ms("per_cached_token_ms", self.per_cached_token_ms)
        check_ms("headers_ms", self.headers_ms or 0.0)
        check_jitter(self.jitter, self.distribution)

    @property
    def counts_input(self) -> bool:
        """Whether it depends on the request's tokens."""
        return self.per_input_token_ms > 0 or self.per_cached_token_ms > 0

    def expected(self, conditions: Conditions) -> float:
        """Return the mean in ms, without load."""
        cached = min(conditions.cached, conditions.input)
        prefill = (conditions.input - cached) * self.per_input_token_ms + cached * self.per_cached_token_ms
        return self.base_ms + prefill


class InterToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Inter-token latency: its mean in ms, and its standard deviation as a fraction of the mean."""

    mean_ms: float = 20.0
    jitter: float = 0.0
    distribution: Distribution = "lognormal"

    def __post_init__(self) -> None:
        check_ms("mean_ms", self.mean_ms)
        check_jitter(self.jitter, self.distribution)


class Pauses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pauses: this share of the arrivals after the first comes later, by a log-normal time with this mean."""

    share: float
    mean_ms: float
    jitter: float = 0.5

    def __post_init__(self) -> None:
        check(0 <= self.share <= 1, f"the share of pauses must be 0 to 1, not {self.share:g}")
        check_ms("the mean of pauses", self.mean_ms)
        check_jitter(self.jitter, "lognormal")


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Slow-down: each response in flight beyond `free` adds this fraction to time to first token and latencies.

    With `free` 4 and `latency` 0.1, tokens take 1.5 times as long when the ninth stream begins.
    """

    free: int = 1
    ttft: float = 0.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        check(self.free >= 0, f"free must be 0 or more, not {self.free}")
        for name, part in (("ttft", self.ttft), ("latency", self.latency)):
            check(math.isfinite(part) and part >= 0, f"the slow-down of {name} must be 0 or more, not {part:g}")

    def slowed(self, part: float, in_flight: int) -> float:
        """Return the factor by which a time grows."""
        return 1.0 + part * max(0, in_flight - self.free)


class Fitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recordings that a profile was fitted to, and how well it fits.

    `chunks` counts the events with tokens. A Kolmogorov-Smirnov distance is the largest difference between the
    share of recorded times below a value and the profile's share: 0 is a perfect fit, 1 the worst.
    """

    streams: int
    chunks: int
    tokens: int
    models: tuple[str, ...] = ()
    ttft_ks: float | None = None
    latency_ks: float | None = None


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="profile"):
    """The timing of a model at a provider; all times are drawn from `seed`.

    `tokens_per_event` and `events_per_arrival` are weights by size: of the number of tokens in a delta (if the script
    has no pieces; without weights the wire format decides), and of the number of events that are sent together.
    """

    v: int = VERSION
    ttft: FirstToken = FirstToken()
    latency: InterToken = InterToken()
    tokens_per_event: Mapping[int, float] = {}
    events_per_arrival: Mapping[int, float] = {}
    pauses: Pauses | None = None
    load: Load = Load()
    seed: int = 0
    fitted: Fitted | None = None

    def __post_init__(self) -> None:
        check(self.v == VERSION, f"the profile has version {self.v}, but only {VERSION} is known: upgrade tokentape")
        check_sizes("tokens_per_event", self.tokens_per_event)
        check_sizes("events_per_arrival", self.events_per_arrival)
