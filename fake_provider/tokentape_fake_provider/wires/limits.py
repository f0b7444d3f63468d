"""Limits: what a provider's headers report about the requests and tokens that are left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from tokentape_fake_provider.script.model import Error

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Allowance(NamedTuple):
    """How many of a kind a window allows, how many remain, and in how many s the window ends."""

    limit: int
    remaining: int
    reset: float


class Limits(NamedTuple):
    """What is limited. `now` is the unix time in s."""

    now: float
    requests: Allowance | None = None
    tokens: Allowance | None = None
    input_tokens: Allowance | None = None
    output_tokens: Allowance | None = None

    def named(self) -> Iterator[tuple[str, Allowance]]:
        """Each that is limited, by its name."""
        for name in ("input_tokens", "output_tokens", "requests", "tokens"):
            if (allowance := getattr(self, name)) is not None:
                yield name, allowance


def retry_after(error: Error) -> Headers:
    """`retry-after`, if the error has a wait."""
    return () if error.retry_after is None else (("retry-after", f"{error.retry_after:g}"),)


def openai_limits(limits: Limits) -> Headers:
    """`x-ratelimit-*`, with durations as Go writes them (platform.openai.com/docs/guides/rate-limits).

    It counts requests and tokens only: those of input or output alone are reported as tokens.
    """
    return _requests_and_tokens(limits, _go_duration)


def azure_limits(limits: Limits) -> Headers:
    """`x-ratelimit-*` with whole seconds, as recorded from Azure."""
    return _requests_and_tokens(limits, lambda seconds: f"{math.ceil(seconds)}")


def _requests_and_tokens(limits: Limits, write: Callable[[float], str]) -> Headers:
    headers: list[tuple[str, str]] = []
    tokens = limits.tokens or limits.input_tokens or limits.output_tokens
    for name, allowance in (("requests", limits.requests), ("tokens", tokens)):
        if allowance is not None:
            headers += (
                (f"x-ratelimit-limit-{name}", str(allowance.limit)),
                (f"x-ratelimit-remaining-{name}", str(allowance.remaining)),
                (f"x-ratelimit-reset-{name}", write(allowance.reset)),
            )
    return tuple(headers)


def anthropic_limits(limits: Limits) -> Headers:
    """`anthropic-ratelimit-*`, with times as RFC 3339 writes them (docs.anthropic.com/en/api/rate-limits)."""
    headers: list[tuple[str, str]] = []
    for name, allowance in limits.named():
        reset = datetime.fromtimestamp(-(-(limits.now + allowance.reset) // 1), UTC)
        kind = name.replace("_", "-")
        headers += (
            (f"anthropic-ratelimit-{kind}-limit", str(allowance.limit)),
            (f"anthropic-ratelimit-{kind}-remaining", str(allowance.remaining)),
            (f"anthropic-ratelimit-{kind}-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ")),
        )
    return tuple(headers)


def mistral_limits(limits: Limits) -> Headers:
    """`x-ratelimitbysize-*`, as recorded from Mistral: tokens of a minute alone."""
    tokens = limits.tokens or limits.input_tokens or limits.output_tokens
    if tokens is None:
        return ()
    return (
        ("x-ratelimitbysize-limit-minute", str(tokens.limit)),
        ("x-ratelimitbysize-remaining-minute", str(tokens.remaining)),
    )


def openrouter_limits(limits: Limits) -> Headers:
    """`x-ratelimit-*` of requests, with the reset as unix time in ms (openrouter.ai/docs/api-reference/limits)."""
    if limits.requests is None:
        return ()
    return (
        ("x-ratelimit-limit", str(limits.requests.limit)),
        ("x-ratelimit-remaining", str(limits.requests.remaining)),
        ("x-ratelimit-reset", f"{(limits.now + limits.requests.reset) * 1000:.0f}"),
    )


def cohere_limits(limits: Limits) -> Headers:
    """`x-trial-endpoint-call-*`, as recorded from Cohere: requests alone."""
    if limits.requests is None:
        return ()
    return (
        ("x-trial-endpoint-call-limit", str(limits.requests.limit)),
        ("x-trial-endpoint-call-remaining", str(limits.requests.remaining)),
    )


def _go_duration(seconds: float) -> str:
    """`6ms`, `1.5s`, `2m59.56s`, `1h0m0s`."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f}ms" if seconds > 0 else "0s"
    minutes, rest = divmod(round(seconds, 3), 60)
    rest_text = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    if minutes < 1:
        return rest_text
    hours, minutes = divmod(minutes, 60)
    return (f"{hours:.0f}h" if hours else "") + f"{minutes:.0f}m" + rest_text
