"""Report: what a flush check found."""

from __future__ import annotations

from statistics import median
from typing import Any, Final, Literal

import msgspec

from tokentape_harness.flush.observed_output import FarEnd
from tokentape_harness.flush.prober import PROMPT, Trace
from tokentape_harness.flush.verdict import Shape, Verdict

Held = Literal["flushed", "late", "held", "lost"]
Readers = Literal["independent", "blocked", "not_checked"]
Leaving = Literal["passed_on", "ignored", "not_checked"]
TruncationOutcome = Literal["passed_on", "told", "unfinished", "laundered", "asked_again", "hangs", "not_checked"]

FAULTS: Final[frozenset[TruncationOutcome]] = frozenset(("unfinished", "laundered", "hangs"))
"""What should not become of a stream that is cut off."""


class TokenReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """One token: `flushed` came before the next was sent, `late` by itself too but late, `held` only with others.

    `ms` is how long it took; `after` how many tokens had been sent when it came, `None` if that was after all.
    """

    number: int
    verdict: Held
    ms: float | None = None
    after: int | None = None


class Truncation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the far end makes of a provider's stream that is cut off.

    `passed_on`: its reader finds the output broken off, too, or an error status. `told`: the output ends well, and
    has something that whole answers don't have, which `note` quotes. `unfinished`: it ends well, without the ending of
    a whole answer. `laundered`: it looks complete. `asked_again`: the app asked again, and had a whole answer.
    `hangs`: it does not end.
    """

    outcome: TruncationOutcome
    note: str = ""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where tokens were likely held, what says so, and what mends it; `proved` by an experiment."""

    where: str
    evidence: str
    remedy: str
    proved: bool = False


class FlushReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a flush check found. `flushes` is whether each token came out before the next was sent.

    `leaving` is whether the provider's stream is closed when the reader leaves, or goes on for nobody.
    """

    target: str
    verdict: Verdict
    shape: Shape
    tokens: tuple[TokenReport, ...]
    latency_ms: float | None = None
    status: int | None = None
    http_version: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    readers: Readers = "not_checked"
    leaving: Leaving = "not_checked"
    truncation: Truncation = Truncation("not_checked")
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def flushes(self) -> bool:
        """Whether every token is passed on at once, to every reader."""
        return self.verdict == "flushed"

    @property
    def short_answer(self) -> Verdict:
        """The verdict on an answer of just the tokens here: one that fills no batch comes all at the end."""
        if self.verdict not in ("byte_batches", "token_batches") or self.shape.lag:
            return self.verdict
        if any(token.after is not None and token.after <= len(self.tokens) for token in self.tokens):
            return self.verdict
        return "headers_early" if self.shape.headers_early else "all_at_end"

    @property
    def ok(self) -> bool:
        """Whether it flushes, and the reader of a cut-off stream gets to know."""
        return self.flushes and self.truncation.outcome not in FAULTS

    def to_builtins(self) -> dict[str, Any]:
        """As JSON."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return {**made, "short_answer": self.short_answer, "flushes": self.flushes, "ok": self.ok}

    def __str__(self) -> str:
        from tokentape_harness.flush.text import report_text

        return report_text(self)

    def assert_flushes(self) -> None:
        """Raise `AssertionError` with the whole report unless every token is passed on at once."""
        if not self.flushes:
            raise AssertionError(str(self))

    def assert_ok(self) -> None:
        """Raise `AssertionError` with the whole report unless it is `ok`."""
        if not self.ok:
            raise AssertionError(str(self))


def token_reports(trace: Trace, far_end: FarEnd) -> tuple[TokenReport, ...]:
    """How each of the short tokens that were sent one at a time came out."""
    return tuple(
        _token_report(number, trace, far_end) for number in range(min(len(trace.sent_at), far_end.marks.plain))
    )


def _token_report(number: int, trace: Trace, far_end: FarEnd) -> TokenReport:
    seen, sent = far_end.seen.get(number), trace.sent_at[number]
    if seen is None:
        return TokenReport(number, "lost")
    ms = round((seen - sent) * 1000, 1)
    if seen >= trace.finished_at:
        return TokenReport(number, "held", ms)
    after = sum(at <= seen for at in trace.sent_at)
    if after > number + 1:
        return TokenReport(number, "held", ms, after)
    return TokenReport(number, "late" if ms >= PROMPT * 1000 else "flushed", ms, after)


def latency_of(trace: Trace, far_end: FarEnd) -> float | None:
    """The median time of tokens that came before the next was sent, in ms."""
    times = [
        far_end.seen[number] - at
        for number, at in enumerate(trace.sent_at[: trace.held_at])
        if number in far_end.seen and number < far_end.marks.plain
    ]
    return round(median(times) * 1000, 1) if times else None
