"""Counts the requests and tokens of a quota's current window."""

from __future__ import annotations

from typing import Final, NamedTuple

from tokentape_fake_provider.faults.fault import Quota
from tokentape_fake_provider.wires.limits import Allowance, Limits

_KINDS: Final = ("requests", "tokens", "input_tokens", "output_tokens")
_ABBREVIATED: Final = {"requests": "RPM", "tokens": "TPM", "input_tokens": "input TPM", "output_tokens": "output TPM"}


class QuotaExceeded(NamedTuple):
    """A request that exceeds a quota: the kind of limit, the counts, and the seconds until the window ends."""

    kind: str
    limit: int
    used: int
    requested: int
    retry_after: float

    def message(self, model: str) -> str:
        """Return the provider's error message."""
        words = self.kind.replace("_", " ")
        return (
            f"Rate limit reached for {model} on {words} per min ({_ABBREVIATED[self.kind]}): Limit {self.limit}, "
            f"Used {self.used}, Requested {self.requested}. Please try again in {self.retry_after:.3g}s."
        )


class QuotaUse(NamedTuple):
    """When the window of a quota began, in ms (`None` before its first request), and what was used since, by kind."""

    began: float | None
    used: dict[str, int]


class QuotaCounter:
    """Counts the use of one quota. A window begins with the first request in it; times are in ms of one clock."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._began: float | None = None
        self._used = dict.fromkeys(_KINDS, 0)

    @property
    def use(self) -> QuotaUse:
        """What was used so far."""
        return QuotaUse(self._began, self._used)

    @use.setter
    def use(self, use: QuotaUse) -> None:
        self._began, self._used = use.began, dict(use.used)

    def charge_request(self, now: float, input_tokens: int) -> QuotaExceeded | None:
        """Charge a request and its input, unless that exceeds the quota.

        Output is charged later (`charge_output`) and may exceed the quota: then the next request is refused.
        """
        self._turn(now)
        costs = {"requests": 1, "tokens": input_tokens, "input_tokens": input_tokens, "output_tokens": 1}
        for kind, limit in self._limits():
            if self._used[kind] + costs[kind] > limit:
                return QuotaExceeded(kind, limit, min(self._used[kind], limit), costs[kind], self._reset(now))
        self._used["requests"] += 1
        self._used["tokens"] += input_tokens
        self._used["input_tokens"] += input_tokens
        return None

    def charge_output(self, output_tokens: int) -> None:
        """Charge generated tokens."""
        self._used["tokens"] += output_tokens
        self._used["output_tokens"] += output_tokens

    def limits(self, now: float, unix_time: float) -> Limits:
        """Return what remains."""
        self._turn(now)
        reset = self._reset(now)
        return Limits(
            unix_time,
            **{kind: Allowance(limit, max(0, limit - self._used[kind]), reset) for kind, limit in self._limits()},
        )

    def _limits(self) -> list[tuple[str, int]]:
        return [(kind, limit) for kind in _KINDS if (limit := getattr(self.quota, kind)) is not None]

    def _turn(self, now: float) -> None:
        if self._began is None or now >= self._began + self.quota.window_ms:
            self._began = now
            self._used = dict.fromkeys(_KINDS, 0)

    def _reset(self, now: float) -> float:
        began = now if self._began is None else self._began
        return (began + self.quota.window_ms - now) / 1000.0
