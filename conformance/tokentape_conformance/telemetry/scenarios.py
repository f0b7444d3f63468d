"""Scenarios: what the provider sends, and how its reader behaves. Each is run once; cases judge what was observed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from typing import Final, NamedTuple

import msgspec

from tokentape_conformance.telemetry.observation import Timeline
from tokentape_conformance.telemetry.options import TelemetryOptions
from tokentape_fake_provider.errors import StepError
from tokentape_fake_provider.faults.fault import Fin, HttpError
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.script.model import Choice, Error, FinishReason, Script, Text, ToolCall, Usage
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.timing import Instant
from tokentape_harness.errors import UsageError
from tokentape_harness.flush.bench import LEAVING_FRAMES, STEPPED, Bench, Run, rule_of, send_until_cut
from tokentape_harness.flush.check import check_answer
from tokentape_harness.flush.marker_tokens import MarkerTokens, generate_markers


class Stage(NamedTuple):
    """An app between the provider and a reader."""

    bench: Bench
    options: TelemetryOptions
    wire: str | None
    """The wire format of its requests to the model, if it is known."""
    tool: str | None
    """The name of a tool that the app offers the model, if there is one."""
    draw: Random
    """The source of marker tokens."""


Scenario = Callable[[Stage, Timeline], tuple[MarkerTokens, ...]]

MODEL: Final = "tokentape-answer-1"
"""The model that the provider reports, which is not the requested one."""
USAGE: Final = Usage(input=137, output=59, cached=31, reasoning=17)
ARGUMENTS: Final = "Sulawesi Sea 4711"
"""A string in the arguments of a tool call."""
# How long the provider waits (s) before its first token, and between tokens: the app's own delays are shorter.
_BEFORE: Final = 0.4
_BETWEEN: Final = 0.2
_TOKENS: Final = 4
_LEAVE_AFTER: Final = 3


def _markers(stage: Stage, count: int = _TOKENS) -> MarkerTokens:
    return generate_markers(count, 0, stage.draw)


def _script(markers: MarkerTokens, usage: Usage = USAGE, finish_reason: FinishReason | None = None) -> Script:
    text = Text("".join(markers.tokens), pieces=markers.tokens)
    return Script((Choice((text,), finish_reason),), usage=usage, model=MODEL)


def _read(
    stage: Stage,
    timeline: Timeline,
    markers: MarkerTokens,
    scripts: Sequence[Script],
    faults: Sequence[Rule] = (),
) -> tuple[MarkerTokens, ...]:
    """Read a response that is sent at once. Raises `FlushError` if the app has never sent the provider a request."""
    session, bench, options = stage.bench.provider.session, stage.bench, stage.options
    for rule in faults:
        session.add_rule(rule)
    try:
        with bench.answering(Rule(tuple(scripts), wire=stage.wire), Instant()), bench.reading(markers) as run:
            is_first = not stage.bench.provider.requests
            run.output.wait(
                lambda output: output.end is not None or len(output.seen) >= markers.count,
                options.start if is_first else options.limit,
            )
            if len(run.output.seen) >= markers.count:
                run.output.wait(lambda output: output.end is not None, options.patience)
                bench.learn_end(run.output)
            if is_first:
                check_answer(bench, run.output, len(stage.bench.provider.requests), options.start)
            bench.wait_for_end(run.output, options.limit)
    finally:
        for rule in faults:
            session.remove_rule(rule)
    timeline.finished = time.time()
    return (markers,)


@contextmanager
def _held(stage: Stage, script: Script, markers: MarkerTokens) -> Iterator[tuple[Run, SteppedStream]]:
    """A reader, and the provider's stream for it, whose tokens wait to be sent. Raises `FlushError`, `UsageError`."""
    bench = stage.bench
    with ExitStack() as stack:
        with bench.answering(Rule((script,), wire=stage.wire), STEPPED):
            run = stack.enter_context(bench.reading(markers))
            stream = bench.next_stream(run, stage.options.start)
        if stream is None:
            check_answer(bench, run.output, 0, stage.options.start)
        assert stream is not None
        if len(stream.frames) == 1:
            raise UsageError(f"{bench.target} requests a whole response: this suite checks the telemetry of streams")
        yield run, stream


def whole(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """A whole response, whose tokens are sent one by one."""
    markers = _markers(stage)
    with _held(stage, _script(markers), markers) as (run, stream):
        output, timeline.stepped = run.output, stream.entry
        output.wait(lambda output: output.end is not None, _BEFORE)
        for number in range(markers.count):
            timeline.steps.append(time.time())
            stream.step_until(markers.marker(number))
            output.wait(lambda output, seen=number: len(output.seen) > seen, stage.options.patience)  # type: ignore[misc]
            output.wait(lambda output: output.end is not None, _BETWEEN)
        stream.release()
        stage.bench.wait_for_end(output, stage.options.limit)
        stage.bench.learn_end(output)
    timeline.finished = time.time()
    return (markers,)


def length(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """A response that ends at the limit of its length."""
    markers = _markers(stage)
    return _read(stage, timeline, markers, [_script(markers, finish_reason="length")])


def unreported(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """A response without usage."""
    markers = _markers(stage)
    return _read(stage, timeline, markers, [_script(markers, Usage(report=False))])


def tools(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """A tool call, and after its result a text."""
    markers = _markers(stage)
    call = ToolCall.of(stage.tool or "measure", {"sea": ARGUMENTS}, id="call_tokentape_1")
    return _read(stage, timeline, markers, [Script.of(call, usage=USAGE, model=MODEL), _script(markers)])


def refused(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """Status 400."""
    return _read(stage, timeline, _markers(stage), [Script(error=Error(400, "The request is not valid."))])


def in_stream(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """An error inside the stream, after some text."""
    markers = _markers(stage)
    error = Error(500, "The server had an error.", in_stream=True)
    return _read(stage, timeline, markers, [msgspec.structs.replace(_script(markers), error=error)])


def retried(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """Status 429 for the first request, and a response for the next."""
    markers, fault = _markers(stage), HttpError(status=429, retry_after=0.01)
    return _read(stage, timeline, markers, [_script(markers)], [Rule(faults=(fault,), times=1, wire=stage.wire)])


def cut_off(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """A stream whose connection closes half-way."""
    markers, fault = _markers(stage, 8), Fin(frame=5)
    rule = msgspec.structs.replace(rule_of(markers), faults=(fault,), wire=stage.wire)
    bench = stage.bench
    with bench.answering(rule, STEPPED), bench.reading(markers) as run:
        send_until_cut(bench, run, min(_BETWEEN, stage.options.patience), stage.options.start)
        bench.wait_for_end(run.output, stage.options.limit)
    timeline.finished = time.time()
    return (markers,)


def _leave(stage: Stage, timeline: Timeline, tokens: int) -> tuple[MarkerTokens, ...]:
    markers = _markers(stage, 40)
    with _held(stage, _script(markers), markers) as (run, stream):
        output, timeline.stepped = run.output, stream.entry
        output.wait(lambda output: output.end is not None, _BETWEEN)
        for number in range(tokens):
            timeline.steps.append(time.time())
            stream.step_until(markers.marker(number))
            output.wait(lambda output, seen=number: len(output.seen) > seen, stage.options.patience)  # type: ignore[misc]
        run.reader.leave()
        with suppress(StepError):
            patience = stage.options.patience
            stage.bench.frames_until_left(stream, LEAVING_FRAMES, min(0.25, patience), patience)
            stage.bench.outcome(stream, patience)  # an app on a busy machine
    timeline.finished = time.time()
    return (markers,)


def left(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """A reader that leaves half-way."""
    return _leave(stage, timeline, _LEAVE_AFTER)


def left_early(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """A reader that leaves before the first token."""
    return _leave(stage, timeline, 0)


def two(stage: Stage, timeline: Timeline) -> tuple[MarkerTokens, ...]:
    """Two responses at the same time, a token of each by turns."""
    both = (_markers(stage), _markers(stage))
    scripts = (_script(both[0]), _script(both[1], Usage(input=1137, output=1059, cached=1031, reasoning=1017)))
    with ExitStack() as stack:
        opened = [
            stack.enter_context(_held(stage, script, markers)) for script, markers in zip(scripts, both, strict=True)
        ]
        for number in range(_TOKENS):
            for markers, (run, stream) in zip(both, opened, strict=True):
                stream.step_until(markers.marker(number))
                run.output.wait(lambda output, seen=number: len(output.seen) > seen, _BETWEEN)  # type: ignore[misc]
        for run, stream in opened:
            stream.release()
            stage.bench.wait_for_end(run.output, stage.options.limit)
    timeline.finished = time.time()
    return both


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.__name__: scenario
    for scenario in (whole, length, unreported, tools, refused, in_stream, retried, cut_off, left, left_early, two)
}
