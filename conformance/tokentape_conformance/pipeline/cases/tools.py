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
from tokentape_harness.flush.live_stage import STEPPED, Run, script_of
from tokentape_harness.flush.marker_tokens import Marks
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
    marks = trial.marks()
    far = trial.answer(_call(trial), script_of(marks), marks=marks)
    trial.expect("the number of requests to the provider", len(trial.provider_requests), 2)
    trial.expect_whole("the follow-up", far)


@case(
    "pipeline/tools/text-before-the-call",
    "The text before a tool call comes out before the follow-up.",
    source=SOURCE,
    needs=["tools"],
)
def text_before_the_call(trial: PipelineTrial) -> None:
    marks = trial.marks(2)
    far = trial.answer(_call(trial, marks.token(0)), Script.of(marks.token(1)), marks=marks)
    trial.expect("the tokens, in order", trial.numbers(far), [0, 1])


@case(
    "pipeline/tools/follow-up-flushes",
    "Each token of the follow-up comes out before the next is sent.",
    source=SOURCE,
    needs=["tools", "flushing"],
)
def follow_up_flushes(trial: PipelineTrial) -> None:
    marks = trial.marks()
    with trial.bench.answering(Rule((_call(trial), script_of(marks))), STEPPED), trial.bench.reading(marks) as run:
        trial.far_ends.append(run.far_end)
        stream = _follow_up(trial, marks)
        if len(stream.frames) == 1:
            trial.fail("what the app requests of the provider", "the whole follow-up", "a stream")
        for number in range(marks.count):
            stream.step_until(marks.mark(number))
            if not _seen(run, number, trial.options.patience):
                trial.fail(
                    f"token {number + 1} of the follow-up",
                    Prose(f"not there after {trial.options.patience:g} s"),
                    Prose("there before the next is sent"),
                )


def _seen(run: Run, number: int, seconds: float) -> bool:
    """Whether the token of this number came out within this time."""
    return run.far_end.wait(lambda far: len(far.seen) > number, seconds)


def _follow_up(trial: PipelineTrial, marks: Marks) -> SteppedStream:
    """The provider's second stream; the first one is released."""
    first = trial.pipeline.provider.next_stream(trial.options.start)
    first.release()
    stream = trial.pipeline.provider.next_stream(trial.options.start)
    trial.pipeline.provider.session.configure(timing=Instant())
    if not any(marks.nonce.encode() in frame for frame in stream.frames):
        raise FlushError("the app sent a second request, but not for the follow-up")
    return stream


@case(
    "pipeline/tools/follow-up-cut-off",
    "A follow-up that breaks off must not look complete.",
    source=SOURCE,
    needs=["tools"],
)
def follow_up_cut_off(trial: PipelineTrial) -> None:
    marks = trial.marks()
    broken = msgspec.structs.replace(script_of(marks), faults=(Fin(frame=8, times=1),))
    far = trial.answer(_call(trial), broken, marks=marks)
    truncation = trial.truncation(far, len(trial.provider_requests) - 1)
    if truncation.outcome in FAULTS:
        trial.fail("the end of the output", Prose(f"{truncation.outcome}: {truncation.note}"), Prose("an error"))
