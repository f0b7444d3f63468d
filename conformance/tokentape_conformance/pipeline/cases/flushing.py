"""Flushing: each token is seen before the next one leaves; a failure is told by how the tokens were held."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.flush.text import report_text
from tokentape_harness.flush.verdict import Verdict

SOURCE = "tokentape, docs/flush.md"


def _never(trial: PipelineTrial, *verdicts: Verdict) -> None:
    report = trial.pipeline.flush_report(trial.wire)
    if report.verdict in verdicts:
        trial.fail(
            "how tokens come out",
            Prose("\n" + report_text(report)),
            Prose("each one before the next is sent"),
        )


@case(
    "pipeline/flushing/stream-asked-for",
    "The app asks the provider for a stream.",
    source=SOURCE,
    needs=["flushing"],
)
def stream_asked_for(trial: PipelineTrial) -> None:
    report = trial.pipeline.flush_report(trial.wire)
    whole = any("asked for the whole answer" in cause.evidence for cause in report.causes)
    trial.expect("what it asks for", "the whole answer" if whole else "a stream", "a stream")


@case(
    "pipeline/flushing/all-at-end",
    "Tokens don't wait for the end of the answer.",
    source=SOURCE,
    needs=["flushing"],
)
def all_at_end(trial: PipelineTrial) -> None:
    _never(trial, "all_at_end")


@case(
    "pipeline/flushing/headers-early",
    "When the head of the response has come, the tokens don't wait for the end of the answer.",
    source=SOURCE,
    needs=["flushing"],
)
def headers_early(trial: PipelineTrial) -> None:
    _never(trial, "headers_early")


@case("pipeline/flushing/byte-batches", "Tokens don't wait for a buffer to fill.", source=SOURCE, needs=["flushing"])
def byte_batches(trial: PipelineTrial) -> None:
    _never(trial, "byte_batches")


@case("pipeline/flushing/time-batches", "Tokens don't wait for a timer.", source=SOURCE, needs=["flushing"])
def time_batches(trial: PipelineTrial) -> None:
    _never(trial, "time_batches")


@case("pipeline/flushing/token-batches", "Tokens don't wait for more tokens.", source=SOURCE, needs=["flushing"])
def token_batches(trial: PipelineTrial) -> None:
    _never(trial, "token_batches")
