"""Timing: when each frame leaves."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import msgspec

from tokentape_fake_provider.errors import TimingError

Distribution = Literal["normal", "lognormal", "gamma", "uniform"]


class Instant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="instant"):
    """Everything at once."""


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recorded"):
    """The recorded times, divided by `speed`. What has no recorded time leaves with the frame before it."""

    speed: float = 1.0

    def __post_init__(self) -> None:
        check(math.isfinite(self.speed) and self.speed > 0, f"speed must be more than 0, not {self.speed:g}")


class Synthetic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="synthetic"):
    """Made-up times: the first token after `ttft_ms`, then `tps` tokens a second.

    `jitter` is the standard deviation of an inter-token latency as a part of its mean (0.2: 20 ms a token,
    give or take 4). `lognormal` and `gamma` keep the mean at any jitter and have the long tail that real
    streams have; `uniform` can't exceed 0.577; `normal` draws again below 0, which above 0.4 raises its mean.
    """

    ttft_ms: float = 300.0
    tps: float = 50.0
    jitter: float = 0.0
    distribution: Distribution = "lognormal"
    seed: int = 0

    def __post_init__(self) -> None:
        check(math.isfinite(self.ttft_ms) and self.ttft_ms >= 0, f"ttft can't be {self.ttft_ms:g} ms")
        check(math.isfinite(self.tps) and self.tps > 0, f"tps must be more than 0, not {self.tps:g}")
        check(
            math.isfinite(self.jitter) and 0 <= self.jitter <= 10,
            f"jitter must be 0 to 10, not {self.jitter:g}",
        )
        check(
            self.distribution != "uniform" or self.jitter <= 1 / math.sqrt(3),
            f"jitter of a uniform distribution is at most 0.577, not {self.jitter:g}: take gamma",
        )


class Stepped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="stepped"):
    """Each frame, and the end, waits for a step of the test (`gate`); with `headers` those wait for one too."""

    headers: bool = False


Timing: TypeAlias = Instant | Recorded | Synthetic | Stepped


def check(true: bool, problem: str) -> None:
    """Raise `TimingError` of this problem unless it is true."""
    if not true:
        raise TimingError(f"timing: {problem}")
