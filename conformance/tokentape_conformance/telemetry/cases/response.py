"""Response: its model, id and finish reason are the provider's."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.iterator.wires import with_finish_reason
from tokentape_conformance.telemetry.telemetry_trial import NOT_REPORTED, TelemetryTrial
from tokentape_harness.conversion.traces.answers import finish_reason
from tokentape_harness.conversion.traces.dialects import read
from tokentape_harness.conversion.traces.values import parsed

SOURCE = "semantic-conventions-genai, model spans"
_REMEDY = "Read it from the stream's chunks, the last of which may be the only one that has it."


@case(
    "telemetry/response/model",
    "The span reports the model that the response names, also where another was requested.",
    source=SOURCE,
    remedy=_REMEDY,
)
def model(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    trial.expect_field("response's model", trial.call(observation), "response_model", trial.output(observation).model)


@case("telemetry/response/id", "The span reports the response's id.", source=SOURCE, remedy=_REMEDY)
def response_id(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    trial.expect_field(
        "response's id", trial.call(observation), "response_id", trial.output(observation).metadata.get("id")
    )


def _expect_finish_reason(trial: TelemetryTrial, scenario: str) -> None:
    observation = trial.observe(scenario)
    reported = read(trial.call(observation).attributes, "finish_reason")
    expected = trial.output(observation).finish_reason
    if reported is None:
        trial.fail("the finish reason", NOT_REPORTED, expected)
    value = parsed(reported.value)
    words = value if isinstance(value, list) else [value]
    if [finish_reason(str(word).strip('"')) for word in words] != [expected]:
        trial.fail_reported("the finish reason", reported, expected)


@case(
    "telemetry/response/finish-reason",
    "The span reports why a complete response ended.",
    source=SOURCE,
    remedy=_REMEDY,
)
def finished(trial: TelemetryTrial) -> None:
    _expect_finish_reason(trial, "whole")


@case(
    "telemetry/response/length",
    "A response that ended at the limit of its length is not reported as a complete one.",
    source=SOURCE,
    wires=with_finish_reason("length"),
    remedy="Report the provider's finish reason, not a constant.",
)
def length(trial: TelemetryTrial) -> None:
    _expect_finish_reason(trial, "length")


@case(
    "telemetry/response/tool-calls",
    "A response that ended in a tool call is reported so.",
    source=SOURCE,
    needs=["tools"],
    remedy="Report the provider's finish reason, not a constant.",
)
def tool_calls(trial: TelemetryTrial) -> None:
    _expect_finish_reason(trial, "tools")
