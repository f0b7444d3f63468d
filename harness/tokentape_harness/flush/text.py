"""Text: a report as it is printed."""

from __future__ import annotations

from collections.abc import Iterator

from tokentape_harness.flush.report import FlushReport, TokenReport
from tokentape_harness.flush.verdict import Shape
from tokentape_harness.terminal_text import printable

_OUTCOMES = {
    "not_checked": "not checked",
    "passed_on": "passed on: the reader finds the output broken off",
    "told": "told in the output",
    "unfinished": "UNFINISHED: the provider's stream was cut off, and the output just ends",
    "laundered": "LAUNDERED: the provider's stream was cut off, and the output looks complete",
    "asked_again": "mended: the app asked the provider again",
    "hangs": "HANGS: the provider's stream was cut off, and the output does not end",
}


def verdict_line(report: FlushReport) -> str:
    """The verdict in words."""
    shape, size = report.shape, report.shape.size
    said = ""
    match report.verdict:
        case "flushed":
            said = "flushed: each token came out before the next was sent"
        case "all_at_end":
            said = "all at the end, the headers too"
            if report.status is None:
                said = "all at the end"
        case "headers_early":
            said = "headers early, body at the end"
        case "byte_batches":
            said = "byte batches" + (f" of {_bytes(shape)}" if size is not None else " of no fixed size")
            if shape.first_only:
                said = f"byte batches: the first {_bytes(shape)} are held, and nothing after that"
        case "time_batches":
            said = "time batches" + (f" of {size * 1000:.0f} ms" if size is not None else "")
        case "token_batches":
            many = f"{size:.0f} token{'' if size == 1 else 's'}" if size is not None else "tokens"
            said = f"token batches: always {many} behind" if shape.lag else f"token batches of {many}"
        case "first_reader_blocks":
            said = "first reader blocks the second"
    return said


def _bytes(shape: Shape) -> str:
    assert shape.size is not None
    about = "" if shape.exact else "about "
    return f"{about}{shape.size:,.0f} bytes" + (" of the provider's stream" if shape.counted == "provider" else "")


def report_lines(report: FlushReport) -> Iterator[str]:
    """All of a report but its table of tokens."""
    yield f"{report.target}"
    yield f"verdict: {verdict_line(report)}"
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
        yield "leaving: the provider's stream GOES ON when the reader has left"
    if report.truncation.outcome != "not_checked" or report.truncation.note:
        note = f" ({report.truncation.note})" if report.truncation.note else ""
        yield f"cut-off stream: {_OUTCOMES[report.truncation.outcome]}{note}"
    for cause in report.causes:
        yield f"{'held' if cause.proved else 'likely held'} {cause.where}"
        yield f"  seen: {cause.evidence}"
        yield f"  remedy: {cause.remedy}"
    for note in report.notes:
        yield f"note: {note}"


def token_line(token: TokenReport) -> tuple[str, str, str]:
    """The cells of a token's row: its number, verdict, and when it came."""
    when = ""
    match token.verdict:
        case "flushed" | "late":
            when = f"after {token.ms:.0f} ms" if token.ms is not None and token.ms >= 1 else "at once"
        case "held":
            when = f"when {token.after} had been sent" if token.after is not None else "at the end"
        case "lost":
            when = "never"
    return str(token.number + 1), token.verdict, when


def report_text(report: FlushReport) -> str:
    """The whole report as plain text."""
    lines = list(report_lines(report))
    rows = [token_line(token) for token in report.tokens]
    lines += [f"  token {number:>3}  {verdict:8} {when}" for number, verdict, when in rows]
    return "\n".join(printable(line) for line in lines)
