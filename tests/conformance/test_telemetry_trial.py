"""What the telemetry suite's cases ask of an observation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tokentape import ChatMessage, ChatOutput
from tokentape_conformance.telemetry.observation import Observation, Sent, Timeline
from tokentape_conformance.telemetry.received import Received
from tokentape_conformance.telemetry.suite import SUITE
from tokentape_conformance.telemetry.telemetry_trial import TelemetryTrial
from tokentape_conformance.trial import SkippedError


def trial_of(outcome: str, finish_reason: str | None) -> TelemetryTrial:
    """A trial of an app whose response ended in this way."""
    output = ChatOutput((ChatMessage("one two", finish_reason=finish_reason),))
    request = Sent(cast("Any", SimpleNamespace(outcome=outcome, planned=())), output)
    observation = Observation((request,), (), Timeline(0.0), cast("Received", None))
    target = SimpleNamespace(observe=lambda scenario: observation, app_bench=SimpleNamespace(target="app"))
    return TelemetryTrial(SUITE.cases()[0], "openai_chat", cast("Any", target))


def test_a_reader_that_left_in_time_is_judged() -> None:
    """A connection that was closed before the finish reason was sent is what the cases of leaving judge."""
    assert trial_of("client_left", None).leave("left").requests[0].entry.outcome == "client_left"


@pytest.mark.parametrize(
    ("outcome", "finish_reason", "how"),
    [("complete", "stop", "(complete)"), ("client_left", "stop", "(to the finish reason)")],
)
def test_an_app_that_read_on_is_not_blamed(outcome: str, finish_reason: str, how: str) -> None:
    """An app that noticed too late that its reader had left has received a finish reason, and may report it."""
    with pytest.raises(SkippedError, match="the app read on after its reader left") as skipped:
        trial_of(outcome, finish_reason).leave("left")
    assert how in str(skipped.value)
