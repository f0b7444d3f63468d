"""Leaving: a stream that is abandoned has its span, which claims nothing that was not sent."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.telemetry.cases.spans import expect_spans
from tokentape_conformance.telemetry.telemetry_trial import TelemetryTrial
from tokentape_harness.conversion.traces.dialects import value_of

SOURCE = "tokentape, docs/telemetry-truth.md"
_REMEDY = (
    "End the span also when the stream is closed or collected before its end (`close`, GeneratorExit, CancelledError)."
)


@case(
    "telemetry/leaving/one-span",
    "A stream that is abandoned half-way has exactly one span.",
    source=SOURCE,
    needs=["leaving"],
    remedy=_REMEDY,
)
def half_way(trial: TelemetryTrial) -> None:
    trial.leave("left")
    expect_spans(trial, "left")


@case(
    "telemetry/leaving/before-the-first-token",
    "A stream that is abandoned before the first token has exactly one span.",
    source=SOURCE,
    needs=["leaving"],
    remedy=_REMEDY,
)
def before_the_first_token(trial: TelemetryTrial) -> None:
    trial.leave("left_early")
    expect_spans(trial, "left_early")


@case(
    "telemetry/leaving/no-finish-reason",
    "A stream that is abandoned has no finish reason, as none was sent.",
    source=SOURCE,
    needs=["leaving"],
    remedy="Report the provider's finish reason only; without one the response is not known to be complete.",
)
def no_finish_reason(trial: TelemetryTrial) -> None:
    observation = trial.leave("left")
    span = trial.call(observation)
    # semantic-conventions-genai 0.1 has `error` for a reason that was expected and did not come.
    if value_of(span.attributes, "finish_reason") not in ("error", ["error"], ("error",)):
        trial.expect_none("the finish reason", span, "finish_reason")


@case(
    "telemetry/leaving/no-usage",
    "A stream that is abandoned has no token counts, as none were sent.",
    source=SOURCE,
    needs=["leaving"],
    remedy="Leave the attributes out: 0 and an estimate are both wrong in a sum of costs.",
)
def no_usage(trial: TelemetryTrial) -> None:
    observation = trial.leave("left")
    if trial.output(observation).usage.output is not None:
        trial.skip("the provider's wire format reports usage from the beginning")
    span = trial.call(observation)
    for field in ("input_tokens", "output_tokens"):
        trial.expect_none(field.replace("_", " "), span, field)
