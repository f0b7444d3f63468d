"""Usage: token counts are the provider's; what it did not report is not invented."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.telemetry.telemetry_trial import TelemetryTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.conversion.traces.dialects import metric

SOURCE = "semantic-conventions-genai, model spans"
_REMEDY = (
    "Take the last usage that the stream reports; `input` counts the whole prompt with what was cached, `output` all "
    "that was generated with the reasoning."
)
_TYPES = {"input": ("input", "prompt"), "output": ("output", "completion")}


@case(
    "telemetry/usage/tokens",
    "The span reports the input and output tokens that the provider counted.",
    source=SOURCE,
    remedy=_REMEDY,
)
def tokens(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    span, usage = trial.call(observation), trial.output(observation).usage
    trial.expect_field("input tokens", span, "input_tokens", usage.input)
    trial.expect_field("output tokens", span, "output_tokens", usage.output)


@case(
    "telemetry/usage/cached",
    "The span reports the input tokens that were read from a cache.",
    source=SOURCE,
    remedy="Set gen_ai.usage.cache_read.input_tokens: these tokens cost a tenth or a half.",
)
def cached(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    trial.expect_field(
        "cached tokens", trial.call(observation), "cached_tokens", trial.output(observation).usage.cached
    )


@case(
    "telemetry/usage/reasoning",
    "The span reports the output tokens that were spent on reasoning.",
    source=SOURCE,
    remedy="Set gen_ai.usage.reasoning.output_tokens.",
)
def reasoning(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    usage = trial.output(observation).usage
    trial.expect_field("reasoning tokens", trial.call(observation), "reasoning_tokens", usage.reasoning)


@case(
    "telemetry/usage/not-invented",
    "Where the provider reports no usage, none is reported.",
    source="tokentape, docs/telemetry-truth.md",
    remedy="Leave the attributes out: 0 and an estimate are both wrong in a sum of costs.",
)
def not_invented(trial: TelemetryTrial) -> None:
    observation = trial.observe("unreported")
    if trial.output(observation).usage.output is not None:
        trial.skip("the provider's wire format reports usage always")
    span = trial.call(observation)
    for field in ("input_tokens", "output_tokens"):
        trial.expect_none(field.replace("_", " "), span, field)


@case(
    "telemetry/usage/metric",
    "The metric of token usage counts each response's tokens once.",
    source="semantic-conventions-genai, metrics",
    needs=["metrics"],
    remedy="Record gen_ai.client.token.usage once for each direction, at the end of the stream.",
)
def usage_metric(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    usage = trial.output(observation).usage
    if usage.input is None:
        trial.skip("the provider sent no usage: the app does not request it")
    trial.expect_one_request(observation)
    received = observation.received.points
    counters = {direction: list(metric(received, f"{direction}_tokens")) for direction in _TYPES}
    if not any(counters.values()):
        trial.metric(observation, "tokens")
        found = list(metric(received, "tokens"))
        counters = {
            direction: [one for one in found if _kind(one[0].attributes) in _TYPES[direction]] for direction in _TYPES
        }
    for direction, expected in (("input", usage.input), ("output", usage.output)):
        points = counters[direction]
        counted = sum(point.sum for point, *_ in points)
        if counted != expected:
            seen = Prose(f"{counted:g} ({points[0][1]}, {points[0][2]})" if points else "not reported")
            trial.fail(f"the {direction} tokens of the metric", seen, expected)


def _kind(attributes: object) -> object:
    fields = attributes if isinstance(attributes, dict) else {}
    return fields.get("gen_ai.token.type", fields.get("llm.usage.token_type"))
