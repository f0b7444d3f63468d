"""Retries: what a client repeats, how often, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tokentape_fake_provider.verdict.attempts import Attempts, Repeat
from tokentape_fake_provider.verdict.conversations import Conversations
from tokentape_fake_provider.verdict.observed import ObservedRequest
from tokentape_fake_provider.verdict.seen import Seen
from tokentape_fake_provider.verdict.settings import VerdictSettings

# A client may fetch a new token, which the journal does not show, and try once more.
_NEW_TOKEN = (401, 403)


def retry_findings(
    chains: Sequence[Attempts], conversations: Conversations, limits: VerdictSettings, quiet_since: float | None
) -> Iterator[Seen]:
    """What is wrong with the retries; a failure after `quiet_since` may still be retried."""
    for chain in chains:
        retries = [Repeat(*pair) for pair in pairwise(chain)]
        yield from _storm(chain, limits)
        yield from _no_backoff(retries, limits)
        yield from _too_early(retries, limits)
        yield from _in_vain(chain)
        yield from _not_retried(chain, conversations, limits, quiet_since)


def _storm(chain: Attempts, limits: VerdictSettings) -> Iterator[Seen]:
    count = len(chain) - 1
    if count > limits.most_retries:
        text = f"request {chain[0].number} was retried {count} times ({_failures(chain[:-1])}), more than "
        yield Seen("retry_storm", "certain", chain, f"{text}{limits.most_retries}")


def _no_backoff(retries: Sequence[Repeat], limits: VerdictSettings) -> Iterator[Seen]:
    # What the provider allowed by `retry-after` is not too soon.
    free = [one for one in retries if one.before.entry.retry_after is None]
    if len(free) >= 2 and all(one.waited_ms < limits.least_wait_ms for one in free):
        waits = ", ".join(f"{max(one.waited_ms, 0.0):.0f}" for one in free[:8]) + (", ..." if len(free) > 8 else "")
        requests = [free[0].before, *(one.again for one in free)]
        text = f"request {requests[0].number} was retried {len(free)} times, after {waits} ms"
        # With full jitter a wait can be short by chance, twice in a row rarely, more often hardly ever.
        yield Seen("no_backoff", "certain" if len(free) > 2 else "likely", requests, text)


def _too_early(retries: Sequence[Repeat], limits: VerdictSettings) -> Iterator[Seen]:
    early = [
        one
        for one in retries
        if one.before.entry.retry_after is not None
        and one.waited_ms + limits.early_ms < one.before.entry.retry_after * 1000
    ]
    if early:
        first, required = early[0], (early[0].before.entry.retry_after or 0.0) * 1000
        text = (
            f"request {first.again.number} came {first.waited_ms:.0f} ms after request {first.before.number} was "
            f"refused with a retry-after of {required:g} ms"
        )
        more = f"; so did {len(early) - 1} more" if len(early) > 1 else ""
        requests = [first.before, *(one.again for one in early)]
        yield Seen("retry_after_ignored", "certain", requests, text + more)


def _in_vain(chain: Attempts) -> Iterator[Seen]:
    lasting = [one for one in chain[:-1] if one.lasting]
    if lasting and lasting[0].entry.status in _NEW_TOKEN:
        lasting = lasting[1:]
    if lasting:
        text = f"request {lasting[0].number} was sent again after {_failures(lasting)}: it can't succeed"
        yield Seen("retried_in_vain", "certain", [*lasting, chain[-1]], text)


def _not_retried(
    chain: Attempts, conversations: Conversations, limits: VerdictSettings, quiet_since: float | None
) -> Iterator[Seen]:
    (first, *retries), entry = chain, chain[0].entry
    required = 0.0 if entry.retry_after is None else entry.retry_after * 1000
    if (
        retries
        or not first.passing
        or required > limits.longest_retry_after_ms
        or (quiet_since is not None and first.answered + required > quiet_since)
        # It went to another model or path.
        or any(one.number > first.number for one in conversations.same_as(first))
    ):
        return
    yield Seen("not_retried", "certain", [first], f"{first.failure}, and it was not sent again")


def _failures(requests: Sequence[ObservedRequest]) -> str:
    """How these requests failed, each way once."""
    return ", ".join(dict.fromkeys(_word(one) for one in requests))


def _word(request: ObservedRequest) -> str:
    return str(request.entry.status) if request.refused else "a broken response"
