"""Endings: an answer that broke off does not look complete at the far end."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import CUT_AT, PipelineTrial
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

SOURCE = "tokentape, docs/flush.md: a cut-off stream is not laundered"
_WANTED = "the output breaks off, or says that something went wrong, or the answer is asked for again and comes whole"


@case("pipeline/endings/whole", "A whole answer ends, cleanly and with a status of success.", source="RFC 9112")
def whole(trial: PipelineTrial) -> None:
    far = trial.answer(marks=trial.marks())
    trial.expect_end(far)
    if far.head is not None:
        trial.expect("the status", far.head.status, 200)


def _told(trial: PipelineTrial, fault: Fault, *, passed_on: bool = False) -> None:
    """With `passed_on` it is enough if the end that a whole answer has is not there."""
    far, truncation = trial.cut(fault)
    if truncation.outcome not in FAULTS or (truncation.outcome == "unfinished" and passed_on):
        return
    how = (
        "does not end"
        if truncation.outcome == "hangs"
        else "looks complete"
        if truncation.outcome == "laundered"
        else "just ends"
    )
    seen = Prose(f"it {how}: {truncation.note}; it ends {far.body[-120:]!r}")
    trial.fail("the end of the output", seen, Prose(_WANTED))


@case("pipeline/endings/fin", "A connection that the provider closes half-way is no complete answer.", source=SOURCE)
def fin(trial: PipelineTrial) -> None:
    _told(trial, Fin(frame=CUT_AT, times=1))


@case("pipeline/endings/rst", "A connection that is reset half-way is no complete answer.", source=SOURCE)
def rst(trial: PipelineTrial) -> None:
    _told(trial, Rst(frame=CUT_AT, times=1))


@case(
    "pipeline/endings/clean-end",
    "A stream that ends well but without its terminal event is no complete answer.",
    source="the providers' streaming formats: each has an event that ends the answer",
)
def clean_end(trial: PipelineTrial) -> None:
    _told(trial, CleanEnd(frame=CUT_AT, times=1), passed_on=True)


@case(
    "pipeline/endings/half-event",
    "A stream that ends in the middle of an event is no complete answer.",
    source="WHATWG HTML, 9.2: an event that no blank line ends is none",
)
def half_event(trial: PipelineTrial) -> None:
    _told(trial, HalfEvent(event=CUT_AT, times=1), passed_on=True)


@case(
    "pipeline/endings/error-in-stream",
    "An error that the provider tells of inside the stream reaches the reader.",
    source="the providers' streaming formats: errors come in the stream, after a status of 200",
)
def error_in_stream(trial: PipelineTrial) -> None:
    _told(trial, InBandError(frame=CUT_AT, times=1))


@case(
    "pipeline/endings/malformed-event",
    "An answer with an event that can't be read is not passed off as whole.",
    source=SOURCE,
)
def malformed_event(trial: PipelineTrial) -> None:
    _told(trial, MalformedJson(event=CUT_AT, times=1), passed_on=True)


@case("pipeline/endings/no-tokens", "A connection closed before the first token is no empty answer.", source=SOURCE)
def no_tokens(trial: PipelineTrial) -> None:
    _told(trial, Fin(frame=0, times=1))


@case("pipeline/endings/empty-body", "A success without a body is no empty answer.", source=SOURCE)
def empty_body(trial: PipelineTrial) -> None:
    _told(trial, EmptyStream(times=1), passed_on=True)


@case(
    "pipeline/endings/tokens-before-the-cut",
    "What was said before a stream broke off is not lost.",
    source="tokentape: partial output is readable at any time",
)
def tokens_before_the_cut(trial: PipelineTrial) -> None:
    far, _ = trial.cut(Fin(frame=CUT_AT, times=1))
    before = [n for n in trial.numbers(far) if n < CUT_AT]
    ours = _said_in(trial, CUT_AT)
    trial.expect("the tokens before the cut that are missing", sorted(set(range(ours)) - set(before)), [])


def _said_in(trial: PipelineTrial, frames: int) -> int:
    """How many tokens so many frames of the provider's stream say, at least."""
    with trial.reader() as reader:
        said = b"".join(reader.stream.frames[:frames])
        count = sum(reader.marks.mark(number).encode() in said for number in range(reader.marks.count))
        reader.stream.release()
        trial.wait_for_end(reader.far_end)
    return count


@case(
    "pipeline/endings/empty-answer",
    "An answer without any text ends well, and is no error.",
    source="tokentape: callbacks and events also for an empty stream",
)
def empty_answer(trial: PipelineTrial) -> None:
    far = trial.answer(Script.of("", finish_reason="stop"))
    trial.expect_end(far)
    if far.head is not None:
        trial.expect("the status", far.head.status, 200)
    trial.expect("how often the provider was asked", len(trial.asked), 1)
