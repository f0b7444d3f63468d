"""Pipeline: a target between the fake provider and its readers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from tokentape_conformance.app_target import AppTarget
from tokentape_conformance.pipeline.options import CAPABILITIES, PipelineOptions
from tokentape_conformance.pipeline.text_location import TextLocation, locate_text
from tokentape_fake_provider.errors import StepError
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.conversion.request_reader import RequestContent, read_content
from tokentape_harness.errors import FlushError, HarnessError, UsageError
from tokentape_harness.flush.bench import STEPPED, Bench, rule_of
from tokentape_harness.flush.check import FlushOptions, check_answer, check_bench, unseen
from tokentape_harness.flush.marker_tokens import generate_markers
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.prober import Pace
from tokentape_harness.flush.report import FlushReport
from tokentape_harness.flush.targets import (
    AppRequest,
    AsgiTarget,
    CallTarget,
    HttpTarget,
    ReaderTarget,
    Target,
    WebSocketTarget,
    WsgiTarget,
    by_url,
    checked_url,
    through,
)
from tokentape_harness.flush.truncation import reported_pattern

SHORT: Final = 12
"""The number of tokens of an ordinary response."""
_LONGER: Final = 40
# The number of tokens of a longer response that are sent one by one.
_STEPS: Final = 6


class WholeResponse(msgspec.Struct, frozen=True):
    """What the first two responses show: the output, and the app's requests to the provider.

    `stepped` is the second one, whose first tokens came one by one. It is longer, so that token counts in it differ.
    """

    output: ObservedOutput
    stepped: ObservedOutput
    requests: tuple[Entry, ...]
    text_location: TextLocation | str
    """Or why it is unknown."""


class Pipeline(AppTarget):
    """An app or a gateway with the fake provider behind it.

    An app receives a request at once, which shows the wire format of its requests to the provider. Raises `UsageError`,
    `FlushError` if it does not respond, `PortInUseError`.
    """

    def __init__(self, name: str, options: PipelineOptions, app: Any = None) -> None:
        self.options = options
        self.reported_by = reported_pattern(options.reported_by)
        self._wholes: dict[str, WholeResponse] = {}
        self._reports: dict[str, FlushReport | HarnessError] = {}
        if options.through and (options.reader or not by_url(name)):
            raise UsageError(f"--through {name}: give a gateway's URL")
        super().__init__(name, options, CAPABILITIES, app)
        self._benches: dict[str, Bench] = {"": self.app_bench}
        try:
            self._wire = "" if options.through else self.whole("").requests[-1].wire or ""
        except BaseException:
            self.close()
            raise

    @property
    def wires(self) -> Sequence[str]:
        """The wire formats that cases can use: that of the app's requests, or all for a gateway."""
        return tuple(WIRES) if self.options.through else (self._wire,)

    def bench(self, wire: str) -> Bench:
        """The target with the provider; a gateway is another target for each wire format."""
        key = wire if self.options.through else ""
        if key not in self._benches:
            target = through(self.name, wire, model=self.options.model, headers=self.options.request.headers)
            self._benches[key] = Bench(target, self.provider, self._loop)
        return self._benches[key]

    def whole(self, wire: str) -> WholeResponse:
        """The first responses, requested before all others. Raises `FlushError`."""
        if wire == getattr(self, "_wire", None):
            wire = ""
        if wire not in self._wholes:
            self._wholes[wire] = self._first_responses(self.bench(wire))
        return self._wholes[wire]

    def _first_responses(self, bench: Bench) -> WholeResponse:
        markers = generate_markers(SHORT, 0, self.draw)
        before = len(self.provider.requests)
        with bench.answering(rule_of(markers), Instant()), bench.reading(markers) as run:
            output = run.output
            output.wait(lambda output: output.end is not None or len(output.seen) >= markers.count, self.options.start)
            output.wait(lambda output: output.end is not None, self.options.patience)
            requests = tuple(self.provider.requests[before:])
            check_answer(bench, output, len(requests), self.options.start)
            if len(output.seen) >= markers.count:
                bench.learn_end(output)
            if not output.seen:
                raise FlushError(unseen(output, markers.count))
        stepped = self._step(bench)
        shown = stepped if stepped.seen else output
        return WholeResponse(output, stepped, requests, locate_text(shown.head, shown.body, shown.markers))

    def _step(self, bench: Bench) -> ObservedOutput:
        """A response whose first tokens are sent one by one, each when the last one came out, until one is held."""
        markers = generate_markers(_LONGER, 0, self.draw)
        with bench.answering(rule_of(markers), STEPPED), bench.reading(markers) as run:
            output = run.output
            stream = bench.next_stream(run, self.options.start)
            if stream is not None:
                with suppress(StepError):
                    for number in range(_STEPS):
                        stream.step_until(markers.marker(number))
                        if not _wait_for_token(output, number, self.options.patience):
                            break
                stream.release()
            bench.wait_for_end(output, self.options.limit if bench.stays_open else self.options.patience)
        return output

    @property
    def back(self) -> Target:
        """Where a reader comes back to a response. Raises `UsageError` if that is not a path or a URL."""
        match self._target:
            case HttpTarget(request=AppRequest(headers=headers)):
                return HttpTarget(checked_url(self.options.rejoin), AppRequest(headers=headers))
            case AsgiTarget() | WsgiTarget():
                request = AppRequest(headers=self._target.request.headers)
                return msgspec.structs.replace(self._target, path=self.options.rejoin, request=request)
            case _:
                raise UsageError(f"--rejoin is for a URL or an app, not for {self._target}")

    def flush_report(self, wire: str) -> FlushReport:
        """The flush checker's report, created once. Raises `FlushError`."""
        if wire not in self._reports:
            pace = Pace(patience=self.options.patience, wait=min(0.25, self.options.patience))
            options = FlushOptions(pace=pace, start=self.options.start, warm_up=False, cut=False)
            try:
                self._reports[wire] = check_bench(self.bench(wire), options)
            except HarnessError as error:
                self._reports[wire] = error
        report = self._reports[wire]
        if isinstance(report, HarnessError):
            raise report
        return report

    def offered(self, wire: str) -> RequestContent:
        """The app's last request to the model."""
        body = self.whole(wire).requests[-1].body
        return read_content(body if isinstance(body, dict) else {})

    def lack(self, need: str, wire: str) -> str | None:
        """Why it lacks this capability, as declared or observed; None if it has it."""
        if need in self.lacks:
            return f"{need}: {self.lacks[need]}"
        through = self.options.through
        match need:
            case "text":
                location = self.whole(wire).text_location
                return f"text: {location}" if isinstance(location, str) else None
            case "http" if isinstance(self._target, CallTarget | ReaderTarget):
                return "http: a function or a command has no headers"
            case "http" if isinstance(self._target, WebSocketTarget):
                return "http: the messages of a WebSocket have no headers"
            case "rejoin" if not self.options.rejoin:
                return "rejoin: no --rejoin, where a reader could come back"
            case "expiry":
                kept, limit = self.options.kept, self.options.limit
                if kept is None:
                    return "expiry: no --kept, how long a response is kept after its end"
                if kept > limit:
                    return (
                        f"expiry: a response is kept for {kept:g} s, but the suite waits at most {limit:g} s (--limit)"
                    )
            case "restart" if not self.options.command:
                return "restart: only an app that a command serves can be restarted"
            case "tools" if through:
                return "tools: a gateway runs no tools"
            case "tools" if not self.offered(wire).tools:
                return "tools: the app offers the model no tools"
            case "relay" if not through:
                return "relay: the output is the app's own"
            case "proxy_headers" if through:
                return "proxy_headers: a gateway is a proxy itself"
        return None


def _wait_for_token(output: ObservedOutput, number: int, seconds: float) -> bool:
    return output.wait(lambda output: len(output.seen) > number, seconds)
