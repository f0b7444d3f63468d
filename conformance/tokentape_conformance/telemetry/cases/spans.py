"""Spans: one for each request to the model, as long as the stream, with the request's own facts."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.telemetry.telemetry_trial import NOT_REPORTED, TelemetryTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.conversion.traces.dialects import OPENTELEMETRY, Reported, value_of

SOURCE = "semantic-conventions-genai, model spans"


def expect_spans(trial: TelemetryTrial, scenario: str) -> None:
    """Check that each request has one span, whichever instrumentation exported it."""
    observation = trial.observe(scenario)
    requests, spans = len(observation.requests), observation.received.model_spans
    if len(spans) != requests:
        shown = ", ".join(f"{span.name!r} of {span.scope}" for span in spans)
        trial.fail("the spans of model calls", Prose(f"{len(spans)}: {shown}" if spans else "none"), requests)


@case(
    "telemetry/spans/one-per-request",
    "A request to the model has exactly one span.",
    source=SOURCE,
    remedy="Two spans: two instrumentations see the same call (an SDK's and a framework's); turn one off. None: "
    "instrument before the client is created, end the span when the stream ends, and sample every trace.",
)
def one_per_request(trial: TelemetryTrial) -> None:
    expect_spans(trial, "whole")


@case(
    "telemetry/spans/follow-up",
    "A request after a tool call has a span of its own.",
    source=SOURCE,
    needs=["tools"],
    remedy="Create the span in the call of the model, not in the handler of the app's request.",
)
def follow_up(trial: TelemetryTrial) -> None:
    expect_spans(trial, "tools")


@case(
    "telemetry/spans/two-at-once",
    "Two concurrent streams have two spans, each with its own response and usage.",
    source=SOURCE,
    needs=["readers"],
    remedy="Keep the state of a stream in an object of its own, not in a global or in the client.",
)
def two_at_once(trial: TelemetryTrial) -> None:
    observation = trial.observe("two")
    calls = observation.received.calls
    if not calls:
        trial.skip("no span of a model call arrived")
    fields = [field for field in ("response_id", "input_tokens") if any(value_of(c.attributes, field) for c in calls)]
    sent = [(one.output.metadata.get("id"), one.output.usage.input) for one in observation.requests if one.output]
    expected = sorted({str(pair["response_id" not in fields : 1 + ("input_tokens" in fields)]) for pair in sent})
    seen = sorted({str(tuple(_plain(value_of(call.attributes, field)) for field in fields)) for call in calls})
    if not fields:
        trial.skip("the spans have neither the response's id nor its usage")
    trial.expect(f"the {' and '.join(fields).replace('_', ' ')} of the spans", seen, expected)


def _plain(value: object) -> object:
    return int(value) if isinstance(value, int | float) else value


@case(
    "telemetry/spans/covers-the-stream",
    "The span lasts from the request to the end of the stream.",
    source=SOURCE,
    remedy="End the span when the stream is exhausted, has failed or is closed, not when the call returns.",
)
def covers_the_stream(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    trial.call(observation)
    times, arrived = observation.timeline, observation.requests[observation.main].entry.time
    durations = [
        (span.end - span.start).total_seconds() for span in observation.received.model_spans if span.start and span.end
    ]
    reported = Reported(max(durations), "the span's start and end", OPENTELEMETRY) if durations else None
    low, high = times.steps[-1] - arrived, times.settled - times.began
    trial.expect_between("the span's duration", reported, low, high, "from the request at least to the last token")


@case(
    "telemetry/spans/streamed",
    "The span reports that the response was streamed.",
    source=SOURCE,
    remedy="Set gen_ai.request.stream.",
)
def streamed(trial: TelemetryTrial) -> None:
    seen = trial.exchange(trial.observe("whole")).streamed
    trial.expect("whether it was streamed", NOT_REPORTED if seen is None else seen, True)


@case(
    "telemetry/spans/request-model",
    "The span reports the model that was requested.",
    source=SOURCE,
    remedy="Set gen_ai.request.model from the request, and leave it unchanged when the response names another.",
)
def request_model(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    requested = observation.requests[observation.main].entry.model
    trial.expect_field("requested model", trial.call(observation), "request_model", requested)
