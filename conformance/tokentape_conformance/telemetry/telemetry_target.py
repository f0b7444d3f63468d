"""Telemetry target: an app between the fake provider and a reader, and the receiver that it exports to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tokentape_conformance.app_target import AppTarget
from tokentape_conformance.telemetry.observation import Observation, Timeline, sent
from tokentape_conformance.telemetry.options import (
    CAPABILITIES,
    QUIET,
    QUIET_OF_A_RUNNING_APP,
    TelemetryOptions,
    environment,
)
from tokentape_conformance.telemetry.received import Received, collected, is_cumulative, is_new
from tokentape_conformance.telemetry.scenarios import SCENARIOS, Stage
from tokentape_conformance.telemetry.sink import OTLP_PORT, Export, Sink
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.conversion.request_reader import read_content
from tokentape_harness.errors import FlushError, HarnessError, UsageError
from tokentape_harness.flush.targets import by_url


class TelemetryTarget(AppTarget):
    """An app that exports telemetry.

    It receives a request at once, which shows the wire format of its requests to the provider. Raises `UsageError` if
    nothing is exported, `FlushError` if the app does not respond, `PortInUseError`.
    """

    def __init__(self, name: str, options: TelemetryOptions, app: Any = None) -> None:
        self.options = options
        self.wire: str | None = None
        """The wire format of the app's requests to the model, as soon as it is known."""
        self._observations: dict[str, Observation | HarnessError] = {}
        is_running = (by_url(name) or options.reader) and not options.command
        quiet = QUIET_OF_A_RUNNING_APP if is_running else QUIET
        self._quiet = quiet if options.quiet is None else options.quiet
        port = options.otlp_port
        if port is None:
            port = OTLP_PORT if is_running else 0
        self.sink = Sink(port)
        try:
            super().__init__(name, options, CAPABILITIES, app, environment(self.sink.url, options.content))
        except BaseException:
            self.sink.close()
            raise
        try:
            # The first request may take long, as SDKs import modules then: no times are judged.
            self.wire = self.observe("unreported").requests[-1].entry.wire
            self._check_exports()
            self.observe("whole")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop what was started, and receive no more; at the end of the process an app still exports its last."""
        super().close()
        self.sink.close()

    def _check_exports(self) -> None:
        if not self.sink.exports():
            why = f"{self.sink.refused}; nothing else was exported" if self.sink.refused else "nothing was exported"
            raise UsageError(
                f"{self.name}: {why} within {self.options.delay:g} s of the response: the app must export every trace "
                f"by OTLP over HTTP to OTEL_EXPORTER_OTLP_ENDPOINT, {self.sink.url}"
            )

    def lack(self, need: str) -> str | None:
        """Why it lacks this capability, as declared or observed; None if it has it."""
        if need in self.lacks:
            return f"{need}: {self.lacks[need]}"
        whole, content = self.observe("whole"), self.options.content
        match need:
            case "metrics" if not whole.received.points:
                refused = self.sink.refused and f", and one was refused: {self.sink.refused}"
                return f"metrics: the app exports no metrics of model calls{refused}"
            case "tools" if not read_content(whole.requests[0].body).tools:
                return "tools: the app offers the model no tools"
            case "content_on" | "content_off" if need != f"content_{content}":
                return f"{need}: the app runs with --content {content}"
        return None

    def observe(self, scenario: str) -> Observation:
        """What was sent and what telemetry arrived in a scenario, run once. Raises `HarnessError`."""
        if scenario not in self._observations:
            try:
                self._observations[scenario] = self._observe(scenario)
            except HarnessError as error:
                self._observations[scenario] = error
        observation = self._observations[scenario]
        if isinstance(observation, HarnessError):
            raise observation
        return observation

    def _observe(self, scenario: str) -> Observation:
        before = self.sink.exports()
        journal = self.provider.journal
        requests = journal.forgotten + len(journal.entries)
        timeline = Timeline(time.time())
        markers = SCENARIOS[scenario](self._stage(), timeline)
        # Embeddings, moderations and lists of models are not calls of a model that generates.
        entries = [entry for entry in journal.since(requests)[0] if entry.wire in WIRES]
        if not entries:
            raise FlushError(f"{self.app_bench.target} sent the provider no request")
        self._settle(len(before), timeline.began)
        timeline.settled = time.time()
        observed = [observation for observation in self._observations.values() if isinstance(observation, Observation)]
        earlier = {each.id for observation in observed for each in observation.requests} - {""}
        received = Received(self.sink.exports(len(before)), before, timeline.began, earlier)
        return Observation(tuple(map(sent, entries)), markers, timeline, received)

    def _stage(self) -> Stage:
        whole = self._observations.get("whole")
        tools = read_content(whole.requests[0].body).tools if isinstance(whole, Observation) else ()
        return Stage(self.app_bench, self.options, self.wire, tools[0].name if tools else None, self.draw)

    def _settle(self, since: int, began: float) -> None:
        """Wait for the first span of a model call, then until nothing new arrives, then for metrics."""
        until = time.monotonic() + self.options.delay
        self.sink.wait(lambda new: bool(Received(new, (), began).model_spans), self.options.delay, since)
        quiet = self._quiet
        count = -1
        while count < (count := _news(self.sink.exports(since))) and time.monotonic() < until:
            self.sink.wait(lambda new, known=count: _news(new) > known, quiet, since)  # type: ignore[misc]
        # Whether the app exports metrics is unknown at its first response; later ones must not get that one's.
        exports = self.sink.exports()
        has_metrics = any(export.signal == "metrics" for export in exports)
        if any(map(is_cumulative, exports)) or not (has_metrics or self._observations):
            complete = time.time() - quiet / 2
            self.sink.wait(lambda new: _collected(new) >= complete, max(0.0, until - time.monotonic()), since)


def _news(exports: Sequence[Export]) -> int:
    return sum(map(is_new, exports))


def _collected(exports: Sequence[Export]) -> float:
    """When the latest metrics were collected, in unix time in s."""
    return max(map(collected, exports), default=0.0)
