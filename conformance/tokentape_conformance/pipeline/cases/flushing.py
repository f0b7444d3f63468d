"""Flushing: each token comes out before the next one is sent; cases are named by how tokens are held."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.flush.causes import WHOLE_REQUESTED
from tokentape_harness.flush.verdict import Verdict

SOURCE = "tokentape, docs/flush.md"


def _expect_none_of(trial: PipelineTrial, *verdicts: Verdict) -> None:
    report = trial.pipeline.flush_report(trial.wire)
    if report.verdict in verdicts:
        trial.fail(
            "how tokens come out",
            Prose("\n" + str(report)),
            Prose("each one before the next is sent"),
        )


@case(
    "pipeline/flushing/stream-asked-for",
    "The app requests a stream of the provider.",
    source=SOURCE,
    needs=["flushing"],
)
def stream_requested(trial: PipelineTrial) -> None:
    report = trial.pipeline.flush_report(trial.wire)
    whole = any(WHOLE_REQUESTED in cause.evidence for cause in report.causes)
    trial.expect("what it requests", "a whole response" if whole else "a stream", "a stream")


@case(
    "pipeline/flushing/all-at-end",
    "Tokens don't wait for the end of the response.",
    source=SOURCE,
    needs=["flushing"],
)
def all_at_end(trial: PipelineTrial) -> None:
    _expect_none_of(trial, "all_at_end")


@case(
    "pipeline/flushing/headers-early",
    "After the head of the response, tokens don't wait for its end.",
    source=SOURCE,
    needs=["flushing"],
)
def headers_early(trial: PipelineTrial) -> None:
    _expect_none_of(trial, "headers_early")


@case("pipeline/flushing/byte-batches", "Tokens don't wait for a buffer to fill.", source=SOURCE, needs=["flushing"])
def byte_batches(trial: PipelineTrial) -> None:
    _expect_none_of(trial, "byte_batches")


@case("pipeline/flushing/time-batches", "Tokens don't wait for a timer.", source=SOURCE, needs=["flushing"])
def time_batches(trial: PipelineTrial) -> None:
    _expect_none_of(trial, "time_batches")


@case("pipeline/flushing/token-batches", "Tokens don't wait for more tokens.", source=SOURCE, needs=["flushing"])
def token_batches(trial: PipelineTrial) -> None:
    _expect_none_of(trial, "token_batches")
