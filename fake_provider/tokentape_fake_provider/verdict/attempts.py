"""Attempts: which request repeats which one before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from tokentape_fake_provider.verdict.observed import ObservedRequest


class Repeat(NamedTuple):
    """A request, and the same one again: a retry if the first had failed."""

    before: ObservedRequest
    again: ObservedRequest

    @property
    def waited_ms(self) -> float:
        """How long the client waited after the failure, by the session's clock or the machine's, if that is longer."""
        before, again = self.before.entry, self.again.entry
        answered = self.before.answered - before.arrived
        return max(again.arrived - before.arrived, (again.time - before.time) * 1000) - answered


Attempts: TypeAlias = Sequence[ObservedRequest]
"""A request and its retries, in order."""


def repeats_of(requests: Iterable[ObservedRequest]) -> list[Repeat]:
    """Each request that was sent before, after the one that it repeats.

    It repeats the oldest failed one that nothing repeats yet, else the last one: equal requests may run side by side.
    """
    sent = defaultdict[object, list[ObservedRequest]](list)
    found = []
    for request in requests:
        same = sent[request.key]
        if same:
            before = next((one for one in same if one.failed), same[-1])
            same.remove(before)
            found.append(Repeat(before, request))
        same.append(request)
    return found


def attempts_of(requests: Sequence[ObservedRequest]) -> list[Attempts]:
    """Each request with its retries; one that repeats a request which had not failed begins anew."""
    chains: dict[int, list[ObservedRequest]] = {}
    retried = {repeat.again.number: repeat.before for repeat in repeats_of(requests) if repeat.before.failed}
    for request in requests:
        before = retried.get(request.number)
        chain = [] if before is None else chains.pop(before.number)
        chains[request.number] = [*chain, request]
    return sorted(chains.values(), key=lambda chain: chain[0].number)
