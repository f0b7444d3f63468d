"""Report: the result of a flush check, as values and as text."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any, Final, Literal

import msgspec

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.prober import PROMPT, Trace
from tokentape_harness.flush.verdict import Shape, Verdict
from tokentape_harness.terminal_text import printable

TokenVerdict = Literal["flushed", "late", "held", "lost"]
Readers = Literal["independent", "blocked", "not_checked"]
Leaving = Literal["passed_on", "ignored", "not_checked"]
TruncationOutcome = Literal[
    "passed_on", "reported", "unfinished", "hidden_truncation", "retried", "hangs", "not_checked"
]

FAULTS: Final[frozenset[TruncationOutcome]] = frozenset(("unfinished", "hidden_truncation", "hangs"))
"""The outcomes of a cut-off stream that fail the check."""

_OUTCOMES: Final[dict[TruncationOutcome, str]] = {
    "not_checked": "not checked",
    "passed_on": "passed on: the output is cut off too",
    "reported": "reported in the output",
    "unfinished": "UNFINISHED: the provider's stream was cut off, and the output just ends",
    "hidden_truncation": "HIDDEN: the provider's stream was cut off, and the output looks complete",
    "retried": "retried: the app sent its request to the provider again",
    "hangs": "HANGS: the provider's stream was cut off, and the output does not end",
}


class TokenReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """When one token came out.

    `flushed`: before the next token was sent. `late`: before the next token was sent, but with a delay. `held`: only
    when later tokens were sent. `lost`: never. `ms` is the time from sending to output; `after` is the number of tokens
    sent by then, `None` if it came out after the end of the stream.
    """

    number: int
    verdict: TokenVerdict
    ms: float | None = None
    after: int | None = None


class Truncation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The output of the target when the provider's stream is cut off.

    `passed_on`: the output is cut off too, or has an error status. `reported`: the output ends normally and contains
    something that complete answers don't, quoted in `note`. `unfinished`: it ends normally, without the last event of
    a complete answer. `hidden_truncation`: it looks complete. `retried`: the app sent its request again and got a
    complete answer. `hangs`: the output does not end.
    """

    outcome: TruncationOutcome
    note: str = ""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where tokens were probably held, the evidence, and the remedy; `proved` if an experiment confirmed it."""

    where: str
    evidence: str
    remedy: str
    proved: bool = False


class FlushReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a flush check.

    `readers` is whether a second reader waits for the first; `leaving` whether the provider's stream is closed when the
    reader disconnects. `latency_ms` is a median; `seconds` the duration of the check.
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
        """The verdict on an answer of only the tokens listed here: one that fills no batch comes all at the end."""
        if self.verdict not in ("byte_batches", "token_batches") or self.shape.lag:
            return self.verdict
        if any(token.after is not None and token.after <= len(self.tokens) for token in self.tokens):
            return self.verdict
        return "headers_early" if self.shape.headers_early else "all_at_end"

    @property
    def ok(self) -> bool:
        """Whether the target flushes, and a cut-off stream is visible to the reader."""
        return self.flushes and self.truncation.outcome not in FAULTS

    def to_builtins(self) -> dict[str, Any]:
        """The report as JSON values."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {**fields, "short_answer": self.short_answer, "flushes": self.flushes, "ok": self.ok}

    def __str__(self) -> str:
        lines = list(report_lines(self))
        rows = map(token_row, self.tokens)
        lines += [f"  token {number:>3}  {verdict:8} {when}" for number, verdict, when in rows]
        return "\n".join(printable(line) for line in lines)

    def assert_flushes(self) -> None:
        """Raise `AssertionError` with the whole report unless every token is passed on at once."""
        if not self.flushes:
            raise AssertionError(str(self))

    def assert_ok(self) -> None:
        """Raise `AssertionError` with the whole report unless it is `ok`."""
        if not self.ok:
            raise AssertionError(str(self))


def token_reports(trace: Trace, output: ObservedOutput) -> tuple[TokenReport, ...]:
    """How each of the short tokens came out that were sent one at a time."""
    return tuple(
        _token_report(number, trace, output) for number in range(min(len(trace.sent_at), output.markers.plain))
    )


def _token_report(number: int, trace: Trace, output: ObservedOutput) -> TokenReport:
    seen, sent = output.seen.get(number), trace.sent_at[number]
    if seen is None:
        return TokenReport(number, "lost")
    ms = round((seen - sent) * 1000, 1)
    if seen >= trace.finished_at:
        return TokenReport(number, "held", ms)
    after = sum(at <= seen for at in trace.sent_at)
    if after > number + 1:
        return TokenReport(number, "held", ms, after)
    return TokenReport(number, "late" if ms >= PROMPT * 1000 else "flushed", ms, after)


def latency_of(trace: Trace, output: ObservedOutput) -> float | None:
    """The median delay, in ms, of the tokens that came out before the next was sent."""
    times = trace.latencies(output)
    return round(median(times) * 1000, 1) if times else None


def report_lines(report: FlushReport) -> Iterator[str]:
    """The report as lines of text, without its table of tokens."""
    yield f"{report.target}"
    yield f"verdict: {verdict_text(report)}"
    if report.short_answer != report.verdict:
        early = ", the headers early" if report.short_answer == "headers_early" else ", the headers too"
        yield f"an answer of {len(report.tokens)} tokens: all at the end{early if report.status is not None else ''}"
    if report.readers == "independent":
        yield "readers: the second does not wait for the first"
    elif report.readers == "blocked":
        yield "readers: the second WAITS for the first"
    if report.leaving == "passed_on":
        yield "leaving: the provider's stream is closed when the reader leaves"
    elif report.leaving == "ignored":
        yield "leaving: the provider's stream GOES ON after the reader has left"
    if report.truncation.outcome != "not_checked" or report.truncation.note:
        note = f" ({report.truncation.note})" if report.truncation.note else ""
        yield f"cut-off stream: {_OUTCOMES[report.truncation.outcome]}{note}"
    for cause in report.causes:
        yield f"{'held' if cause.proved else 'probably held'} {cause.where}"
        yield f"  evidence: {cause.evidence}"
        yield f"  remedy: {cause.remedy}"
    for note in report.notes:
        yield f"note: {note}"


def verdict_text(report: FlushReport) -> str:
    """The verdict in words."""
    shape, size = report.shape, report.shape.size
    text = ""
    match report.verdict:
        case "flushed":
            text = "flushed: each token came out before the next was sent"
        case "all_at_end":
            text = "all at the end" + (", the headers too" if report.status is not None else "")
        case "headers_early":
            text = "headers early, body at the end"
        case "byte_batches":
            text = "byte batches" + (f" of {_bytes(shape)}" if size is not None else " of no fixed size")
            if shape.first_only:
                text = f"byte batches: the first {_bytes(shape)} are held, and nothing after that"
        case "time_batches":
            text = "time batches" + (f" of {size * 1000:.0f} ms" if size is not None else "")
        case "token_batches":
            count = f"{size:.0f} token{'' if size == 1 else 's'}" if size is not None else "tokens"
            text = f"token batches: always {count} behind" if shape.lag else f"token batches of {count}"
        case "first_reader_blocks":
            text = "first reader blocks the second"
    return text


def _bytes(shape: Shape) -> str:
    assert shape.size is not None
    about = "" if shape.exact else "about "
    return f"{about}{shape.size:,.0f} bytes" + (" of the provider's stream" if shape.counted == "provider" else "")


def token_row(token: TokenReport) -> tuple[str, str, str]:
    """The cells of a token's row: its number, its verdict, and when it came out."""
    when = ""
    match token.verdict:
        case "flushed" | "late":
            when = f"after {token.ms:.0f} ms" if token.ms is not None and token.ms >= 1 else "at once"
        case "held":
            when = f"when {token.after} had been sent" if token.after is not None else "at the end"
        case "lost":
            when = "never"
    return str(token.number + 1), token.verdict, when
