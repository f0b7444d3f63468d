"""Telemetry trial: what cases ask of what was sent, and of the telemetry that arrived."""

from __future__ import annotations

from typing import Any, NoReturn

from tokentape import ChatOutput
from tokentape_conformance.case_registry import Case
from tokentape_conformance.telemetry.observation import Observation, Sent
from tokentape_conformance.telemetry.received import Point
from tokentape_conformance.telemetry.telemetry_target import TelemetryTarget
from tokentape_conformance.trial import Prose, TimedFrame, Trial
from tokentape_harness.conversion.traces.dialects import Reported, metric, read, value_of
from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.span import Span
from tokentape_harness.conversion.traces.spans import exchange_of_span
from tokentape_harness.conversion.traces.values import number

NOT_REPORTED = Prose("not reported")
NO_SPAN = Prose("no span of a model call")
RESOLUTION_S = 0.002
"""How far a clock may be off by rounding."""


class TelemetryTrial(Trial):
    """The argument of the telemetry suite's cases."""

    def __init__(self, case: Case, wire: str, target: TelemetryTarget, *, seed: int = 0) -> None:
        super().__init__(case, wire, seed=seed)
        self.target = target
        self._sent: Sent | None = None
        self.request = str(target.app_bench.target)

    @property
    def frames(self) -> list[TimedFrame]:
        """The provider's frames, with the times at which they were sent."""
        if self._sent is None:
            return []
        entry = self._sent.entry
        return [TimedFrame(frame.data or b"", frame.left) for frame in entry.planned]

    def observe(self, scenario: str) -> Observation:
        """What was sent and reported in a scenario."""
        observation = self.target.observe(scenario)
        self._sent = observation.requests[observation.main if observation.timeline.stepped else -1]
        return observation

    def call(self, observation: Observation, number: int | None = None) -> Span:
        """The span of a response, by default of the main one. Skips the case without one: other cases report that."""
        number = observation.main if number is None else number
        calls, sent = observation.received.calls, observation.requests[number]
        own = [call for call in calls if sent.id and value_of(call.attributes, "response_id") == sent.id]
        if not own and len(calls) <= number:
            self.skip("no span of a model call arrived, see telemetry/spans and telemetry/leaving")
        return own[0] if own else calls[number]

    def exchange(self, observation: Observation, number: int | None = None) -> TracedExchange:
        """What a span reports as a request and its response."""
        exchange = exchange_of_span(self.call(observation, number))
        assert exchange is not None  # the span is one of a model call
        return exchange

    def output(self, observation: Observation, number: int | None = None) -> ChatOutput:
        """What was sent, by default the main response. Skips the case if the provider sent none."""
        output = observation.requests[observation.main if number is None else number].output
        if output is None:
            self.skip("the provider sent no response")
        return output

    def expect_one_request(self, observation: Observation) -> None:
        """Skip the case if the app calls the model several times, so that a metric's values are of all calls."""
        if (count := len(observation.requests)) != 1:
            self.skip(f"the app sends the model {count} requests for one of its own: the metric has values of all")

    def expect_field(self, what: str, span: Span, field: str, expected: Any) -> None:
        """Check that a field is reported, with this value; skips the case if the provider sent none."""
        if expected is None:
            self.skip(f"the provider sent no {what}: the app does not request it, or the wire format has none")
        self.expect_reported(what, read(span.attributes, field), expected)

    def expect_reported(self, what: str, reported: Reported | None, expected: Any) -> None:
        """Check that this is reported, with this value."""
        if reported is None:
            self.fail(what, NOT_REPORTED, expected)
        value = number(reported.value) if isinstance(expected, int) else reported.value
        if value != expected:
            self.fail_reported(what, reported, expected)

    def expect_none(self, what: str, span: Span, field: str) -> None:
        """Check that a field is not reported, as the provider did not send it."""
        reported = read(span.attributes, field)
        if reported is not None:
            self.fail_reported(what, reported, Prose("nothing: the provider sent none"))

    def fail_reported(self, what: str, reported: Reported, expected: Any) -> NoReturn:
        """Fail the case for a value that was reported."""
        self.fail(what, Prose(str(reported)), expected)

    def expect_between(self, what: str, reported: Reported | None, low: float, high: float, why: str) -> None:
        """Check that a time in s lies between what happened before and what happened after."""
        expected = Prose(f"{low:.3f} to {high:.3f} s: {why}")
        if reported is None:
            self.fail(what, NOT_REPORTED, expected)
        value = number(reported.value)
        if value is None or not low - RESOLUTION_S <= value <= high + RESOLUTION_S:
            shown = reported if value is None else f"{value:.3f} s ({reported.name}, {reported.convention})"
            self.fail(what, Prose(str(shown)), expected)

    def metric(self, observation: Observation, field: str) -> tuple[Point, str, str]:
        """What a metric has counted in the scenario, with its name and convention. Fails the case without one."""
        found = list(metric(observation.received.points, field))
        if not found:
            self.fail(f"the metric of {field.replace('_', ' ')}", NOT_REPORTED, Prose("values of this response"))
        _, name, convention = found[0]
        points = [point for point, *_ in found]
        total = Point({}, sum(point.values for point in points), sum(point.sum for point in points))
        return total, name, convention

    def leave(self, scenario: str) -> Observation:
        """What was observed when the reader left. Skips the case if the app did not notice that in time."""
        observation = self.observe(scenario)
        entry, output = observation.requests[observation.main]
        if entry.outcome != "client_left" or (output is not None and output.finish_reason is not None):
            how = "to the finish reason" if entry.outcome == "client_left" else entry.outcome
            self.skip(f"leaving: the app read on after its reader left ({how}), see the pipeline suite")
        return observation
