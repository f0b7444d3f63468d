"""Pipeline trial: sends requests to the target, and observes its output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import msgspec

from tokentape_conformance.case_registry import Case
from tokentape_conformance.pipeline.pipeline import SHORT, Pipeline
from tokentape_conformance.pipeline.text_location import TextLocation
from tokentape_conformance.trial import Prose, TimedFrame, Trial
from tokentape_fake_provider.errors import StepError
from tokentape_fake_provider.faults.fault import Fault
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.script.model import Script, Text
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.timing import Instant, Timing
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.bench import STEPPED, Bench, Run, rule_of, script_of, send_until_cut
from tokentape_harness.flush.marker_tokens import MarkerFinder, MarkerTokens, generate_markers
from tokentape_harness.flush.observed_output import KEPT, ObservedOutput
from tokentape_harness.flush.report import Truncation
from tokentape_harness.flush.targets import AsgiTarget, HttpTarget, Target, WsgiTarget
from tokentape_harness.flush.truncation import truncation_of

BREAK_AT: Final = 8
"""The number of frames before a stream breaks."""
_QUOTED: Final = 200
_MOST_APART: Final = 700


class SteppedReader:
    """A reader of the target, the output that it observes, and the provider's stream for it."""

    def __init__(self, run: Run, stream: SteppedStream) -> None:
        self.run = run
        self.output = run.output
        self.markers = run.output.markers
        self.stream = stream
        self.sent = 0

    def step(self, seconds: float) -> bool:
        """Send the next token; whether it came out within this time. Raises `StepError`."""
        self.stream.step_until(self.markers.marker(self.sent))
        self.sent += 1
        return self.output.wait(lambda output: len(output.seen) >= self.sent, seconds)


class PipelineTrial(Trial):
    """The argument of the pipeline suite's cases: sends requests to the target, and observes its output."""

    def __init__(self, case: Case, wire: str, pipeline: Pipeline, *, seed: int = 0) -> None:
        super().__init__(case, wire, seed=seed)
        self.pipeline = pipeline
        self.options = pipeline.options
        self.bench: Bench = pipeline.bench(wire)
        self.request = _shown(self.bench.target)
        self.outputs: list[ObservedOutput] = []
        self._contexts = ExitStack()
        self._requests_before = pipeline.provider.journal.forgotten + len(pipeline.provider.requests)

    @property
    def frames(self) -> list[TimedFrame]:
        """The output, with its times."""
        return [
            TimedFrame(data, (at - output.pieces[0][0]) * 1000) for output in self.outputs for at, data in output.pieces
        ]

    @property
    def provider_requests(self) -> Sequence[Entry]:
        """The requests to the provider since the trial began."""
        provider = self.pipeline.provider
        return provider.requests[max(0, self._requests_before - provider.journal.forgotten) :]

    def markers(self, count: int = SHORT) -> MarkerTokens:
        """Marker tokens, `count` of them, that no other response has."""
        return generate_markers(count, 0, self.pipeline.draw)

    # Requests to the target.

    def answer(
        self,
        *scripts: Script,
        markers: MarkerTokens | None = None,
        faults: Sequence[Fault] = (),
        apart: float = 0.0,
    ) -> ObservedOutput:
        """A whole response. The provider answers the app's first request with the first script, and so on.

        Waits for its end as long as the options allow. With `apart`, the provider sends its first frames this many s
        apart, so that each is likely read by itself.
        """
        markers = markers or self.markers()
        rule = Rule(scripts or (script_of(markers),), faults=tuple(faults))
        with self.reading(rule, STEPPED if apart else Instant(), markers) as run:
            stream = self.bench.next_stream(run, self.options.start) if apart else None
            if stream is not None:
                with suppress(StepError):
                    while not stream.over and stream.sent < _MOST_APART:
                        stream.step(timeout=self.options.patience)
                        run.output.wait(lambda output: output.end is not None, apart)
                stream.release()
            self.wait_for_end(run.output)
        return run.output

    @contextmanager
    def reading(self, rule: Rule, timing: Timing, markers: MarkerTokens) -> Iterator[Run]:
        """A reader, while the provider answers by this rule."""
        with self.bench.answering(rule, timing), self.bench.reading(markers) as run:
            self.outputs.append(run.output)
            yield run

    @contextmanager
    def reader(self, markers: MarkerTokens | None = None) -> Iterator[SteppedReader]:
        """A reader for which the provider holds every token until it is stepped.

        Raises `FlushError` if the pipeline sends the provider no request.
        """
        markers = markers or self.markers()
        with ExitStack() as stack:
            with self.bench.answering(rule_of(markers), STEPPED):
                run = stack.enter_context(self.bench.reading(markers))
                self.outputs.append(run.output)
                stream = self.bench.next_stream(run, self.options.start)
            if stream is None:
                raise FlushError(f"{self.bench.target} sent the provider no request for this response")
            if len(stream.frames) == 1:
                self.skip("the app requests a whole response of the provider, not a stream")
            yield SteppedReader(run, stream)

    def received_text(self, *pieces: str, faults: Sequence[Fault] = (), apart: float = 0.0) -> str:
        """The text that comes out if the provider sends these pieces, each a token, between two marker tokens."""
        markers = self.markers(2)
        first, last = markers.token(0), markers.marker(1)
        sent = (first, *pieces, last)
        script = Script.of(Text("".join(sent), pieces=sent))
        text = self.text(self.answer(script, markers=markers, faults=faults, apart=apart))
        begin, end = text.find(first), text.rfind(last)
        if begin < 0 or end < 0:
            seen = Prose(f"the markers before and after it are not both there: {_short(text)!r}")
            self.fail("the text that came out", seen, Prose("the text between the markers"))
        return text[begin + len(first) : end]

    told = received_text  # the former name, which still works

    def expect_text(self, *pieces: str, faults: Sequence[Fault] = (), apart: float = 0.0) -> None:
        """Check that the text of these pieces comes out unchanged; in HTML all line ends are equal."""
        text = self.received_text(*pieces, faults=faults, apart=apart)
        if not self.text_location.same(text, pieces):
            self.fail("the text that came out", text, "".join(pieces))

    def break_stream(self, fault: Fault) -> tuple[ObservedOutput, Truncation]:
        """A stream that ends in a fault after some tokens: the output, and how the break showed in it."""
        markers = self.markers()
        rule = msgspec.structs.replace(rule_of(markers), faults=(fault,))
        with self.reading(rule, STEPPED, markers) as run:
            send_until_cut(self.bench, run, min(0.25, self.options.patience), self.options.start)
            self.wait_for_end(run.output)
        requests = self.provider_requests
        if not any(entry.faults for entry in requests):
            self.skip("the provider's stream could not be broken")
        return run.output, self.truncation(run.output, len(requests))

    def truncation(self, output: ObservedOutput, requests: int) -> Truncation:
        """How a failure of the provider, after this number of requests, showed in the output."""
        whole = self.pipeline.whole(self.wire)
        wholes = [each for each in (whole.output, whole.stepped) if each.seen]
        return truncation_of(output, wholes, requests, reported_by=self.pipeline.reported_by)

    def wait_for_end(self, output: ObservedOutput) -> bool:
        """Wait for the output to end; whether it did in time."""
        return self.bench.wait_for_end(output, self.options.limit)

    # Its output.

    @property
    def whole(self) -> ObservedOutput:
        """The output of a whole response, from the beginning of the run."""
        return self.pipeline.whole(self.wire).output

    @property
    def text_location(self) -> TextLocation:
        """Where the response's text is in the output. Skips the case if that is unknown."""
        location = self.pipeline.whole(self.wire).text_location
        return location if isinstance(location, TextLocation) else self.skip(f"text: {location}")

    @property
    def has_text_so_far(self) -> bool:
        """Whether each message has the text so far."""
        location = self.pipeline.whole(self.wire).text_location
        return isinstance(location, TextLocation) and location.growing

    def text(self, output: ObservedOutput) -> str:
        """The response's text in the output. Skips the case if it is unknown where that is."""
        self._expect_success(output)
        return self.text_location.text(self._body(output))

    def numbers(self, output: ObservedOutput) -> list[int]:
        """The numbers of the tokens that came out, in order, repeated ones included.

        Where each message has the text so far, these are the tokens of the last one, or of the first message that does
        not begin with the tokens of the previous one.
        """
        self._expect_success(output)
        location = self.pipeline.whole(self.wire).text_location
        if not isinstance(location, TextLocation) or "text" in self.pipeline.lacks:
            return _numbers(self._body(output), output.markers)
        if not location.growing:
            return _numbers(location.text(self._body(output)), output.markers)
        before: list[int] = []
        for message in location.messages(self._body(output)):
            numbers = _numbers(message, output.markers)
            if numbers[: len(before)] != before:
                return numbers
            before = numbers
        return before

    def _body(self, output: ObservedOutput) -> bytes:
        if output.dropped:
            self.skip(f"the output is longer than the {KEPT:,} bytes that are kept")
        return output.body

    def _expect_success(self, output: ObservedOutput) -> None:
        if output.head is not None and output.head.status >= 400:
            seen = f"status {output.head.status}: {_short(output.body.decode('utf-8', 'replace'))}"
            self.fail("the answer", Prose(seen), Prose("a success"))

    def expect_whole(self, what: str, output: ObservedOutput) -> None:
        """Check that all tokens came out, each once and in order, and that the output ended cleanly."""
        self.expect(f"the tokens of {what}", _run(self.numbers(output)), _run(list(range(output.markers.count))))
        self.expect_end(output)

    def expect_end(self, output: ObservedOutput) -> None:
        """Check that the output ended cleanly."""
        end = output.end
        if end is None:
            self.fail("the end of the output", Prose("none"), Prose(f"one within {self.options.limit:g} s"))
        if end.kind != "clean":
            self.fail("the end of the output", Prose(f"it was cut off: {end.note}"), Prose("a clean end"))

    def outcome(self, stream: SteppedStream, seconds: float) -> str:
        """How the provider's side of a stream ended; `pending` if it did not within this time."""
        return self.bench.outcome(stream, seconds)

    def frames_until_left(self, stream: SteppedStream, most: int) -> int | None:
        """The frames sent until the provider noticed that its client left; None if it did not within `most`."""
        patience = self.options.patience
        return self.bench.frames_until_left(stream, most, min(0.25, patience), patience)

    def enter_reader(self) -> SteppedReader:
        """A reader that stays until the trial ends."""
        return self._contexts.enter_context(self.reader())

    def close(self) -> None:
        """Close all readers."""
        self._contexts.close()


def _numbers(text: str | bytes, markers: MarkerTokens) -> list[int]:
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return [number for number, _ in MarkerFinder(markers).feed(data)]


def _run(numbers: Sequence[int]) -> str:
    """Numbers as reports print them: `0-11`, `0 1 1 3`."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return _short(" ".join(map(str, numbers))) or "none"


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"


def _shown(target: Target) -> str:
    match target:
        case HttpTarget(request=request) | AsgiTarget(request=request) | WsgiTarget(request=request):
            body = request.body.decode("utf-8", "replace") if request.body else ""
            headers = json.dumps(dict(request.headers)) if request.headers else ""
            return " ".join(filter(None, (str(target), headers, body)))
        case _:
            return str(target)
