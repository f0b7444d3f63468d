"""Relay: a gateway in the provider's own format forwards everything that it sends."""

from __future__ import annotations

from tokentape import ChatOutput, TokentapeError, stream_bytes
from tokentape_conformance.case_registry import case
from tokentape_conformance.iterator.wires import TOOL_CALLS, reporting, with_finish_reason
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import Script, ToolCall, Usage

SOURCE = "the provider's own format"


def _output(trial: PipelineTrial, script: Script) -> ChatOutput:
    """The output that a client decodes from the response."""
    output = trial.answer(script)
    stream = stream_bytes(output.body, trial.wire)
    try:
        for _ in stream:
            pass
    except TokentapeError as error:
        trial.fail("the stream that came out", Prose(f"{type(error).__name__}: {error}"), Prose("a whole one"))
    return stream.get_chat_output()


@case(
    "pipeline/relay/finish-reason",
    "The finish reason comes out.",
    source=SOURCE,
    needs=["relay"],
    wires=with_finish_reason("length"),
)
def finish_reason(trial: PipelineTrial) -> None:
    output = _output(trial, Script.of("The sea is", finish_reason="length"))
    trial.expect("the finish reason", output.finish_reason, "length")


@case(
    "pipeline/relay/usage",
    "Token usage comes out.",
    source=SOURCE,
    needs=["relay"],
    wires=reporting("input"),
)
def usage(trial: PipelineTrial) -> None:
    output = _output(trial, Script.of("The sea is deep.", usage=Usage(input=21, output=7)))
    trial.expect("input and output tokens", (output.usage.input, output.usage.output), (21, 7))


@case("pipeline/relay/tool-call", "A tool call comes out whole.", source=SOURCE, needs=["relay"], wires=TOOL_CALLS)
def tool_call(trial: PipelineTrial) -> None:
    call = ToolCall("measure", '{"sea":"North Sea","unit":"m"}', id="call_abc")
    calls = _output(trial, Script.of(call)).message.tool_calls
    trial.expect(
        "the calls", [(call.name, call.arguments) for call in calls], [("measure", {"sea": "North Sea", "unit": "m"})]
    )


@case(
    "pipeline/relay/two-tool-calls", "Two tool calls come out as two.", source=SOURCE, needs=["relay"], wires=TOOL_CALLS
)
def two_tool_calls(trial: PipelineTrial) -> None:
    sent = [ToolCall("measure", f'{{"sea":"{sea}"}}', id=f"call_{sea}") for sea in ("north", "south")]
    calls = _output(trial, Script.of(*sent)).message.tool_calls
    trial.expect("their arguments", [call.arguments for call in calls], [{"sea": "north"}, {"sea": "south"}])
