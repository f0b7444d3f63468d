"""The kinds of timing, which decide when each frame leaves."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import msgspec

from tokentape_fake_provider.timing.distribution import Distribution, check_jitter, check_ms, check_rate
from tokentape_fake_provider.timing.profile import FirstToken, InterToken, Profile


class Instant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="instant"):
    """All frames are sent at once."""


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recorded"):
    """The recorded times, divided by `speed`. A frame without a recorded time is sent with the one before it."""

    speed: float = 1.0

    def __post_init__(self) -> None:
        check_rate("speed", self.speed)


class Synthetic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="synthetic"):
    """Generated times: the first token after `ttft_ms`, then `tps` tokens a second.

    `jitter` is the standard deviation of an inter-token latency as a fraction of its mean (0.2: 20 ms a token,
    plus or minus 4). `lognormal` and `gamma` keep the mean at any jitter and have a long tail like real streams;
    `uniform` allows at most 0.577; `normal` redraws values below 0, which raises its mean if the jitter is above 0.4.
    `prefill_ms` is added to the time to first token for each input token that is not in the prompt cache.
    """

    ttft_ms: float = 300.0
    tps: float = 50.0
    jitter: float = 0.0
    distribution: Distribution = "lognormal"
    seed: int = 0
    prefill_ms: float = 0.0

    def __post_init__(self) -> None:
        check_ms("ttft", self.ttft_ms)
        check_ms("prefill", self.prefill_ms)
        check_rate("tps", self.tps)
        check_jitter(self.jitter, self.distribution)

    @property
    def profile(self) -> Profile:
        """The equivalent profile."""
        return _profile(self)


@lru_cache(maxsize=256)
def _profile(timing: Synthetic) -> Profile:
    first = FirstToken(timing.ttft_ms, timing.prefill_ms)
    latency = InterToken(1000.0 / timing.tps, timing.jitter, timing.distribution)
    return Profile(ttft=first, latency=latency, seed=timing.seed)


class Stepped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="stepped"):
    """Each frame and the end wait for a step of the test; with `headers` the headers do too."""

    headers: bool = False


Timing: TypeAlias = Instant | Recorded | Synthetic | Profile | Stepped


def profile_of(timing: Timing) -> Profile | None:
    """Return the profile that times are drawn from; `None` if they are not drawn."""
    return timing.profile if isinstance(timing, Synthetic) else timing if isinstance(timing, Profile) else None
