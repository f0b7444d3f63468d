"""Tools: the follow-up after a tool call belongs to the same response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.faults.fault import Fin
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.script.model import Script, ToolCall
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.timing import Instant
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.bench import STEPPED, Run, script_of
from tokentape_harness.flush.marker_tokens import MarkerTokens
from tokentape_harness.flush.report import FAULTS

SOURCE = "the streaming chapter: a callback may return a new stream, which is yielded as well, in the same loop"


def _call(trial: PipelineTrial, *texts: str) -> Script:
    """A response that calls the first tool that the app offers."""
    tool = trial.pipeline.offered(trial.wire).tools[0]
    arguments = msgspec.json.encode(_example_of(tool.parameters or {})).decode()
    return Script.of(*texts, ToolCall(tool.name, arguments, id="call_1"))


def _example_of(schema: Mapping[str, Any]) -> Any:
    """A value that a simple JSON schema allows."""
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "string":
            return "x"
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return []
    properties = schema.get("properties", {})
    return {name: _example_of(properties.get(name, {})) for name in schema.get("required", properties)}


@case(
    "pipeline/tools/follow-up-comes-out",
    "The follow-up after a tool call comes out, whole and once.",
    source=SOURCE,
    needs=["tools"],
)
def follow_up_comes_out(trial: PipelineTrial) -> None:
    markers = trial.markers()
    output = trial.answer(_call(trial), script_of(markers), markers=markers)
    trial.expect("the number of requests to the provider", len(trial.provider_requests), 2)
    trial.expect_whole("the follow-up", output)


@case(
    "pipeline/tools/text-before-the-call",
    "The text before a tool call comes out before the follow-up.",
    source=SOURCE,
    needs=["tools"],
)
def text_before_the_call(trial: PipelineTrial) -> None:
    markers = trial.markers(2)
    output = trial.answer(_call(trial, markers.token(0)), Script.of(markers.token(1)), markers=markers)
    trial.expect("the tokens, in order", trial.numbers(output), [0, 1])


@case(
    "pipeline/tools/follow-up-flushes",
    "Each token of the follow-up comes out before the next is sent.",
    source=SOURCE,
    needs=["tools", "flushing"],
)
def follow_up_flushes(trial: PipelineTrial) -> None:
    markers = trial.markers()
    with trial.bench.answering(Rule((_call(trial), script_of(markers))), STEPPED), trial.bench.reading(markers) as run:
        trial.outputs.append(run.output)
        stream = _follow_up(trial, markers)
        if len(stream.frames) == 1:
            trial.fail("what the app requests of the provider", "the whole follow-up", "a stream")
        for number in range(markers.count):
            stream.step_until(markers.marker(number))
            if not _seen(run, number, trial.options.patience):
                trial.fail(
                    f"token {number + 1} of the follow-up",
                    Prose(f"not there after {trial.options.patience:g} s"),
                    Prose("there before the next is sent"),
                )


def _seen(run: Run, number: int, seconds: float) -> bool:
    """Whether the token of this number came out within this time."""
    return run.output.wait(lambda output: len(output.seen) > number, seconds)


def _follow_up(trial: PipelineTrial, markers: MarkerTokens) -> SteppedStream:
    """The provider's second stream; the first one is released."""
    first = trial.pipeline.provider.next_stream(trial.options.start)
    first.release()
    stream = trial.pipeline.provider.next_stream(trial.options.start)
    trial.pipeline.provider.session.configure(timing=Instant())
    if not any(markers.nonce.encode() in frame for frame in stream.frames):
        raise FlushError("the app sent a second request, but not for the follow-up")
    return stream


@case(
    "pipeline/tools/follow-up-cut-off",
    "A follow-up that is cut off must not look complete.",
    source=SOURCE,
    needs=["tools"],
)
def follow_up_cut_off(trial: PipelineTrial) -> None:
    markers = trial.markers()
    broken = msgspec.structs.replace(script_of(markers), faults=(Fin(frame=8, times=1),))
    output = trial.answer(_call(trial), broken, markers=markers)
    truncation = trial.truncation(output, len(trial.provider_requests) - 1)
    if truncation.outcome in FAULTS:
        trial.fail("the end of the output", Prose(f"{truncation.outcome}: {truncation.note}"), Prose("an error"))
