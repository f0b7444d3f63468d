"""Errors: a response that failed is reported as failed, and one that succeeded at last is not."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.telemetry.telemetry_trial import NO_SPAN, NOT_REPORTED, TelemetryTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.conversion.traces.dialects import error_type

SOURCE = "OpenTelemetry, recording errors"
_REMEDY = (
    "Set the span's status to error and `error.type`, also for an exception that the stream raises after its head."
)


def _expect_error(trial: TelemetryTrial, scenario: str) -> None:
    calls = trial.observe(scenario).received.calls
    if not any(call.error for call in calls):
        trial.fail("the span's status", Prose("not an error") if calls else NO_SPAN, Prose("an error"))


@case(
    "telemetry/errors/refused",
    "A request that the provider refuses with status 400 is reported as an error.",
    source=SOURCE,
    remedy=_REMEDY,
)
def refused(trial: TelemetryTrial) -> None:
    _expect_error(trial, "refused")


@case("telemetry/errors/type", "The type of the error is reported.", source=SOURCE, remedy=_REMEDY)
def named(trial: TelemetryTrial) -> None:
    observation = trial.observe("refused")
    if error_type(trial.call(observation)) is None:
        trial.fail("the type of the error", NOT_REPORTED, Prose("the exception's name, or the status"))


@case(
    "telemetry/errors/in-stream",
    "An error that the provider sends inside the stream is reported as an error.",
    source=SOURCE,
    remedy=_REMEDY,
)
def in_stream(trial: TelemetryTrial) -> None:
    _expect_error(trial, "in_stream")


@case(
    "telemetry/errors/cut-off",
    "A stream whose connection closes half-way is reported as an error.",
    source=SOURCE,
    remedy=_REMEDY,
)
def cut_off(trial: TelemetryTrial) -> None:
    observation = trial.observe("cut_off")
    if not observation.requests[-1].entry.faults:
        trial.skip("the provider's stream could not be broken")
    _expect_error(trial, "cut_off")


@case(
    "telemetry/errors/retried",
    "After a retry that succeeded, a span reports success, and a failed attempt has no usage.",
    source=SOURCE,
    remedy="Trace the call, not each attempt; or give the failed attempt a span of its own, without usage.",
)
def retried(trial: TelemetryTrial) -> None:
    observation = trial.observe("retried")
    if len(observation.requests) == 1:
        trial.skip("the app does not retry after status 429")
    trial.call(observation)
    calls = observation.received.calls
    if all(call.error for call in calls):
        trial.fail("the spans", Prose("each has an error"), Prose("one without"))
    for call in calls:
        if call.error:
            trial.expect_none("the output tokens of a failed attempt", call, "output_tokens")
