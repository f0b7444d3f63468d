"""Decides which of the configured faults are applied to a response."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tokentape_fake_provider.fault_injection.quota import QuotaCounter, QuotaUse
from tokentape_fake_provider.faults.fault import Fault, HttpError, Overload, Quota
from tokentape_fake_provider.faults.specification import as_faults


class ActiveFault(NamedTuple):
    """A fault that is applied to the current response, with its random generator and, for a quota, its counter."""

    fault: Fault
    draw: random.Random
    quota: QuotaCounter | None = None

    @property
    def passes(self) -> bool:
        """Whether it breaks the response a limited number of times, so that a retry can get the response after it."""
        return self.fault.times is not None and self.fault.breaks


class FaultCount(NamedTuple):
    """How many responses a fault saw, how often it happened, and the use of its quota."""

    seen: int
    fired: int
    quota: QuotaUse | None = None


class ConfiguredFaults:
    """Configured faults, and how often each happened. Not thread-safe: the session locks it.

    `seed` gives faults that are configured in different places different random numbers.
    """

    def __init__(self, faults: Iterable[Fault | str] = (), seed: str = "") -> None:
        self.faults = as_faults(faults)
        self.seed = seed
        self._seen = [0] * len(self.faults)
        self._fired = [0] * len(self.faults)
        refuses = [isinstance(fault, HttpError | Overload) for fault in self.faults]
        self._refusals = [index for index, refusal in enumerate(refuses) if refusal]
        self._others = [index for index, refusal in enumerate(refuses) if not refusal]
        self._counts = [QuotaCounter(fault) if isinstance(fault, Quota) else None for fault in self.faults]

    def with_faults(self, faults: Iterable[Fault | str], seed: str) -> ConfiguredFaults:
        """Return the counters for other faults; faults that stay keep their counts."""
        changed = ConfiguredFaults(faults, seed)
        for index, (before, after) in enumerate(zip(self.faults, changed.faults, strict=False)):
            if before is not after:
                break
            changed._seen[index], changed._fired[index] = self._seen[index], self._fired[index]
            changed._counts[index] = self._counts[index]
        return changed

    @property
    def counts(self) -> list[FaultCount]:
        """The count of each fault."""
        uses = (None if count is None else count.use for count in self._counts)
        return [FaultCount(*counts) for counts in zip(self._seen, self._fired, uses, strict=True)]

    def restore(self, counts: Sequence[FaultCount]) -> None:
        """Continue from these counts."""
        for index, count in enumerate(counts[: len(self.faults)]):
            self._seen[index], self._fired[index] = count.seen, count.fired
            if (counter := self._counts[index]) is not None and count.quota is not None:
                counter.use = count.quota

    def take(self) -> list[ActiveFault]:
        """Choose the faults for the next response; one that replaces the response is returned alone."""
        for index in self._refusals:
            if active := self._take_one(index):
                return [active]
        return [active for index in self._others if (active := self._take_one(index))]

    def _take_one(self, index: int) -> ActiveFault | None:
        fault = self.faults[index]
        number = self._seen[index]
        self._seen[index] += 1
        if number < fault.after or (fault.times is not None and self._fired[index] >= fault.times):
            return None
        draw = random.Random(f"{self.seed}:{fault.seed}:{index}:{number}")  # noqa: S311 - not for secrets
        if fault.probability < 1 and draw.random() >= fault.probability:
            return None
        self._fired[index] += 1
        return ActiveFault(fault, draw, self._counts[index])
