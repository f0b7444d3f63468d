"""Endings: a response that was cut off must not look complete in the output."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import BREAK_AT, PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.faults.fault import (
    CleanEnd,
    EmptyStream,
    Fault,
    Fin,
    HalfEvent,
    InBandError,
    MalformedJson,
    Rst,
)
from tokentape_fake_provider.script.model import Script
from tokentape_harness.flush.report import FAULTS

SOURCE = "tokentape, docs/flush.md: a broken stream must not look complete"
_WANTED = "the output is cut off or reports an error, or the app retries and the response comes out whole"


@case("pipeline/endings/whole", "A whole response ends cleanly, with status 200.", source="RFC 9112")
def whole(trial: PipelineTrial) -> None:
    output = trial.answer(markers=trial.markers())
    trial.expect_end(output)
    if output.head is not None:
        trial.expect("the status", output.head.status, 200)


def _expect_break_shown(trial: PipelineTrial, fault: Fault, *, passed_on: bool = False) -> None:
    """With `passed_on`, an output without the end of a whole response suffices."""
    output, truncation = trial.break_stream(fault)
    if truncation.outcome not in FAULTS or (truncation.outcome == "unfinished" and passed_on):
        return
    how = (
        "does not end"
        if truncation.outcome == "hangs"
        else "looks complete"
        if truncation.outcome == "hidden_truncation"
        else "just ends"
    )
    seen = Prose(f"it {how}: {truncation.note}; it ends {output.body[-120:]!r}")
    trial.fail("the end of the output", seen, Prose(_WANTED))


@case("pipeline/endings/fin", "A connection that the provider closes half-way must not look complete.", source=SOURCE)
def fin(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, Fin(frame=BREAK_AT, times=1))


@case("pipeline/endings/rst", "A connection that is reset half-way must not look complete.", source=SOURCE)
def rst(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, Rst(frame=BREAK_AT, times=1))


@case(
    "pipeline/endings/clean-end",
    "A stream that ends cleanly but without its terminal event must not look complete.",
    source="the providers' streaming formats: each has a terminal event",
)
def clean_end(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, CleanEnd(frame=BREAK_AT, times=1), passed_on=True)


@case(
    "pipeline/endings/half-event",
    "A stream that ends in the middle of an event must not look complete.",
    source="WHATWG HTML, 9.2: an event without a blank line after it is discarded",
)
def half_event(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, HalfEvent(event=BREAK_AT, times=1), passed_on=True)


@case(
    "pipeline/endings/error-in-stream",
    "An error that the provider sends inside the stream reaches the reader.",
    source="the providers' streaming formats: errors come in the stream, after a status of 200",
)
def error_in_stream(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, InBandError(frame=BREAK_AT, times=1))


@case(
    "pipeline/endings/malformed-event",
    "A stream with an event that can't be parsed must not look complete.",
    source=SOURCE,
)
def malformed_event(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, MalformedJson(event=BREAK_AT, times=1), passed_on=True)


@case(
    "pipeline/endings/no-tokens",
    "A connection closed before the first token must not look like an end.",
    source=SOURCE,
)
def no_tokens(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, Fin(frame=0, times=1))


@case("pipeline/endings/empty-body", "Status 200 without a body must not look like an empty response.", source=SOURCE)
def empty_body(trial: PipelineTrial) -> None:
    _expect_break_shown(trial, EmptyStream(times=1), passed_on=True)


@case(
    "pipeline/endings/tokens-before-the-cut",
    "The tokens before a break are not lost.",
    source="tokentape: partial output is readable at any time",
)
def tokens_before_the_cut(trial: PipelineTrial) -> None:
    output, _ = trial.break_stream(Fin(frame=BREAK_AT, times=1))
    before = [n for n in trial.numbers(output) if n < BREAK_AT]
    sent = _tokens_in(trial, BREAK_AT)
    trial.expect("the missing tokens before the break", sorted(set(range(sent)) - set(before)), [])


def _tokens_in(trial: PipelineTrial, frames: int) -> int:
    """The number of tokens in the first frames of the provider's stream, at least."""
    with trial.reader() as reader:
        data = b"".join(reader.stream.frames[:frames])
        count = sum(reader.markers.marker(number).encode() in data for number in range(reader.markers.count))
        reader.stream.release()
        trial.wait_for_end(reader.output)
    return count


@case(
    "pipeline/endings/empty-answer",
    "A response without text ends cleanly, and is not an error.",
    source="tokentape: callbacks and events also for an empty stream",
)
def empty_answer(trial: PipelineTrial) -> None:
    output = trial.answer(Script.of("", finish_reason="stop"))
    trial.expect_end(output)
    if output.head is not None:
        trial.expect("the status", output.head.status, 200)
    trial.expect("the number of requests to the provider", len(trial.provider_requests), 1)
