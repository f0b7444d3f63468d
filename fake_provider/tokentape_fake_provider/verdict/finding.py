"""Findings: what a verdict can find, and one that it found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

Kind: TypeAlias = Literal[
    "truncation_accepted",
    "error_ignored",
    "retry_storm",
    "no_backoff",
    "retry_after_ignored",
    "retried_in_vain",
    "not_retried",
    "duplicate_side_effect",
    "left_open",
    "slow_cancel",
]
Certainty: TypeAlias = Literal["certain", "likely"]


class Meaning(msgspec.Struct, frozen=True):
    """What a kind of finding is, in a few words, and why it matters."""

    title: str
    why: str


KINDS: Final[dict[Kind, Meaning]] = {
    "truncation_accepted": Meaning(
        "truncated stream taken as whole",
        "users and later steps get half an answer as if it were complete, and nobody sees an error",
    ),
    "error_ignored": Meaning(
        "error ignored",
        "the provider reported a failure, and what came before it, or nothing, was used as the answer",
    ),
    "retry_storm": Meaning(
        "retry storm", "many retries of one request add load to a provider that is failing, and multiply cost and delay"
    ),
    "no_backoff": Meaning(
        "no back-off", "retries without a pause meet the same failure, and keep an overloaded provider overloaded"
    ),
    "retry_after_ignored": Meaning(
        "retry-after ignored", "the provider refuses what comes before that time, and some extend the limit for it"
    ),
    "retried_in_vain": Meaning(
        "retried what can't succeed", "the same request fails in the same way: retries only delay the error"
    ),
    "not_retried": Meaning(
        "not retried what can succeed", "users see an error that a second attempt would mostly have avoided"
    ),
    "duplicate_side_effect": Meaning(
        "duplicate side effect", "a tool ran or counted twice: a second e-mail, payment or entry"
    ),
    "left_open": Meaning(
        "stream left open", "it holds a connection and memory on both sides, and its tokens are generated and paid for"
    ),
    "slow_cancel": Meaning(
        "slow cancel", "the provider goes on generating, and charging, for a stream that nobody wants any more"
    ),
}
"""Each kind of finding, and its meaning."""
assert set(KINDS) == set(get_args(Kind))


class Finding(msgspec.Struct, frozen=True):
    """One thing that a client did wrong.

    `requests` are their numbers in the journal, and `at_ms` when they arrived, in ms of the session's clock.
    `certainty` is `certain` if no well-behaved client sends the same requests, else `likely`. `sdk` is the client
    with its version, as its headers name it; empty if they do not.
    """

    kind: Kind
    certainty: Certainty
    requests: Sequence[int]
    at_ms: Sequence[float]
    seen: str
    why: str
    remedy: str
    sdk: str = ""

    @property
    def title(self) -> str:
        """Its kind in words."""
        return KINDS[self.kind].title


class Verdict(msgspec.Struct, frozen=True):
    """The findings of a journal. `notes` have what can't be decided by a journal alone; `requests` are all of it."""

    requests: int
    findings: Sequence[Finding]
    notes: Sequence[str] = ()

    def to_builtins(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {**fields, "ok": self.ok}

    @property
    def ok(self) -> bool:
        """Whether there is no finding."""
        return not self.findings
