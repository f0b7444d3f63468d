"""Firing: which of the faults that are set up happen to a response."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from tokentape_fake_provider.fault_injection.quota import QuotaCount
from tokentape_fake_provider.faults.fault import Fault, HttpError, Overload, Quota
from tokentape_fake_provider.faults.specification import as_faults


class Firing(NamedTuple):
    """A fault that happens now, and where chance is drawn from; a quota with what was spent of it."""

    fault: Fault
    draw: random.Random
    quota: QuotaCount | None = None

    @property
    def passes(self) -> bool:
        """Whether it is a passing fault that breaks a response: what it broke is not used up, and answers again."""
        return self.fault.times is not None and self.fault.breaks


class ActiveFaults:
    """Faults that are set up, and how often each happened. Not locked: its session does that.

    `seed` tells apart those that are set up in several places.
    """

    def __init__(self, faults: Iterable[Fault | str] = (), seed: str = "") -> None:
        self.faults = as_faults(faults)
        self._seed = seed
        self._seen = [0] * len(self.faults)
        self._fired = [0] * len(self.faults)
        refuses = [isinstance(fault, HttpError | Overload) for fault in self.faults]
        self._refusals = [index for index, refusal in enumerate(refuses) if refusal]
        self._others = [index for index, refusal in enumerate(refuses) if not refusal]
        self._counts = [QuotaCount(fault) if isinstance(fault, Quota) else None for fault in self.faults]

    def with_faults(self, faults: Iterable[Fault | str], seed: str) -> ActiveFaults:
        """Others instead of these; of those that stay, the counts stay too."""
        made = ActiveFaults(faults, seed)
        for index, (before, after) in enumerate(zip(self.faults, made.faults, strict=False)):
            if before is not after:
                break
            made._seen[index], made._fired[index] = self._seen[index], self._fired[index]
            made._counts[index] = self._counts[index]
        return made

    def fire(self) -> list[Firing]:
        """Those that happen to the next response; one that answers instead of it happens alone."""
        for index in self._refusals:
            if firing := self._fired_by(index):
                return [firing]
        return [firing for index in self._others if (firing := self._fired_by(index))]

    def _fired_by(self, index: int) -> Firing | None:
        fault = self.faults[index]
        number = self._seen[index]
        self._seen[index] += 1
        if number < fault.after or (fault.times is not None and self._fired[index] >= fault.times):
            return None
        draw = random.Random(f"{self._seed}:{fault.seed}:{index}:{number}")  # noqa: S311 - not for secrets
        if fault.probability < 1 and draw.random() >= fault.probability:
            return None
        self._fired[index] += 1
        return Firing(fault, draw, self._counts[index])
