"""Times: each lies between what happened before and what happened after it.

The app's request left before it arrived at the provider, and each chunk was received after it was sent and before the
next one was: so a correct time is never outside, however slow the machine is.
"""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.telemetry.observation import Observation
from tokentape_conformance.telemetry.telemetry_trial import TelemetryTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.conversion.traces.dialects import Reported, first_chunk

SPANS, METRICS = "semantic-conventions-genai, model spans", "semantic-conventions-genai, metrics"


def _first_chunk_bounds(observation: Observation) -> tuple[float, float, str]:
    times, arrived = observation.timeline, observation.requests[observation.main].entry.time
    return times.steps[0] - arrived, times.steps[1] - times.began, "from the request to the first chunk"


@case(
    "telemetry/times/first-chunk",
    "The span reports the time to the first chunk, from the request.",
    source=SPANS,
    remedy="Measure from before the request is sent to the first chunk of the body; the response's head comes earlier.",
)
def first(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    reported = first_chunk(trial.call(observation))
    trial.expect_between("the time to the first chunk", reported, *_first_chunk_bounds(observation))


@case(
    "telemetry/times/first-chunk-metric",
    "The metric of the time to the first chunk has this response once.",
    source=METRICS,
    needs=["metrics"],
    remedy="Record gen_ai.client.operation.time_to_first_chunk at the first chunk of each stream.",
)
def first_metric(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    trial.expect_one_request(observation)
    point, name, convention = trial.metric(observation, "first_chunk")
    trial.expect("the number of values", point.values, 1)
    reported = Reported(point.sum, name, convention)
    trial.expect_between("the time to the first chunk", reported, *_first_chunk_bounds(observation))


@case(
    "telemetry/times/per-chunk-metric",
    "The metric of the time per output chunk has each chunk after the first, from the one before.",
    source=METRICS,
    needs=["metrics"],
    remedy="Record gen_ai.client.operation.time_per_output_chunk for each chunk, and not an average per token.",
)
def per_chunk(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    trial.expect_one_request(observation)
    point, name, convention = trial.metric(observation, "per_chunk")
    steps, frames = observation.timeline.steps, observation.requests[observation.main].entry.frames_sent
    if not len(steps) - 1 <= point.values < frames:
        expected = Prose(f"{len(steps) - 1} to {frames - 1}: {len(steps)} chunks with text, in {frames} frames")
        trial.fail("the number of values", Prose(f"{point.values:g} ({name}, {convention})"), expected)
    low, high = steps[-1] - steps[1], observation.timeline.settled - steps[0]
    reported = Reported(point.sum, name, convention)
    trial.expect_between("the sum of the times", reported, low, high, "from the first chunk to the last")


@case(
    "telemetry/times/duration-metric",
    "The metric of the duration has this response once, from the request to the end of the stream.",
    source=METRICS,
    needs=["metrics"],
    remedy="Record gen_ai.client.operation.duration when the stream ends, not when the call returns.",
)
def duration(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    trial.expect_one_request(observation)
    point, name, convention = trial.metric(observation, "duration")
    trial.expect("the number of values", point.values, 1)
    times, arrived = observation.timeline, observation.requests[observation.main].entry.time
    low, high = times.steps[-1] - arrived, times.settled - times.began
    reported = Reported(point.sum, name, convention)
    trial.expect_between("the duration", reported, low, high, "from the request at least to the last token")
