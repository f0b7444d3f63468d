"""Errors: a request that the provider refuses must not look like an empty success."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.faults.fault import Fault, Fin, HttpError, Overload
from tokentape_harness.flush.report import FAULTS

SOURCE = "the providers' documentation of errors"


def _reaches(trial: PipelineTrial, fault: Fault) -> None:
    output = trial.answer(markers=trial.markers(), faults=(fault,))
    if trial.truncation(output, 1).outcome in FAULTS:
        status = f"status {output.head.status}" if output.head else "no status"
        seen = f"{status}, and {output.body[-120:]!r}" if output.end else "the output does not end"
        trial.fail(
            "what the reader receives",
            Prose(seen),
            Prose("an error: an error status, a message, or a broken end"),
        )


@case("pipeline/errors/rate-limit", "A 429 reaches the reader.", source=SOURCE, needs=["errors"])
def rate_limit(trial: PipelineTrial) -> None:
    _reaches(trial, HttpError(status=429, message="Rate limit reached."))


@case("pipeline/errors/server-error", "A 500 reaches the reader.", source=SOURCE, needs=["errors"])
def server_error(trial: PipelineTrial) -> None:
    _reaches(trial, HttpError(status=500))


@case(
    "pipeline/errors/overloaded",
    "The provider's overload error reaches the reader.",
    source=SOURCE,
    needs=["errors"],
)
def overloaded(trial: PipelineTrial) -> None:
    _reaches(trial, Overload())


@case("pipeline/errors/bad-request", "A 400 reaches the reader.", source=SOURCE, needs=["errors"])
def bad_request(trial: PipelineTrial) -> None:
    _reaches(trial, HttpError(status=400, message="The prompt is too long."))


@case("pipeline/errors/unauthorized", "A 401 reaches the reader.", source=SOURCE, needs=["errors"])
def unauthorized(trial: PipelineTrial) -> None:
    _reaches(trial, HttpError(status=401, message="The key is wrong."))


@case(
    "pipeline/errors/no-answer",
    "A connection that the provider closes without a response is an error for the reader.",
    source="RFC 9112",
    needs=["errors"],
)
def no_answer(trial: PipelineTrial) -> None:
    _reaches(trial, Fin(before_headers=True))


@case(
    "pipeline/errors/then-an-answer",
    "After an error, the next response comes whole.",
    source="tokentape, docs/faults.md",
    needs=["errors"],
)
def then_an_answer(trial: PipelineTrial) -> None:
    trial.answer(markers=trial.markers(), faults=(HttpError(status=400),))
    trial.expect_whole("the next response", trial.answer(markers=trial.markers()))
