"""Replay: promise 17. A finished text or output becomes a stream, and nothing is lost."""

from __future__ import annotations

from typing import Any

from tokentape_conformance.iterator import IteratorTrial, OpenedStream, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.source import SyncSource
from tokentape_conformance.iterator.wires import REASONING, TOOL_CALLS
from tokentape_fake_provider.script.model import Reasoning, Text, ToolCall, Usage

OUTPUT = ("sync", "output", "messages", "message_text")


def of(trial: IteratorTrial, stream: Any) -> OpenedStream:
    """Wrap a stream that has no source of the suite."""
    return OpenedStream(trial, stream, SyncSource([]))


@case(
    "iterator/replay/text",
    "A text becomes a stream of that text, which ends like any other.",
    source=CONTRACT,
    needs=["replay", *OUTPUT],
)
async def text(trial: IteratorTrial) -> None:
    for original in ("The sea is deep.", "0", ""):
        stream = of(trial, trial.adapter.replay(original))
        trial.expect("the text of all chunks", await stream.text(), original)
        trial.expect("the text of the output", stream.output_text, original)


@case(
    "iterator/replay/callbacks-and-event",
    "It has callbacks and an event.",
    source=CONTRACT,
    needs=["replay", "sync", "add_callback", "listen"],
)
async def callbacks_and_event(trial: IteratorTrial) -> None:
    events = trial.listen()
    calls: list[Any] = []
    stream = of(trial, trial.adapter.replay("The sea is deep."))
    stream.add_callback(calls.append)
    await stream.read()
    trial.expect("events and calls", [len(events), len(calls)], [1, 1])


@case(
    "iterator/replay/output",
    "An output becomes a stream whose output has the same text, finish reason and usage.",
    source=CONTRACT,
    needs=["replay_output", "output_usage", "message_finish_reason", *OUTPUT],
)
async def output(trial: IteratorTrial) -> None:
    original = trial.stream(
        Text("one two", pieces=("one", " two")), finish_reason="length", usage=Usage(input=9, output=2)
    )
    await original.read()
    stream = of(trial, trial.adapter.replay_output(original.output))
    trial.expect("the text of all chunks", await stream.text(), "one two")
    adapter = trial.adapter
    trial.expect("the finish reason", adapter.message_finish_reason(stream.message), "length")
    trial.expect("usage", dict(adapter.output_usage(stream.output)), dict(adapter.output_usage(original.output)))


@case(
    "iterator/replay/tool-calls",
    "Tool calls are not lost.",
    source=CONTRACT,
    needs=["replay_output", "tool_calls", "message_tool_calls", *OUTPUT],
    wires=TOOL_CALLS,
)
async def tool_calls(trial: IteratorTrial) -> None:
    original = trial.stream("Let me look.", ToolCall.of("depth", {"of": "sea"}, id="call_1"))
    await original.read()
    stream = of(trial, trial.adapter.replay_output(original.output))
    await stream.read()
    trial.expect("the tool calls", stream.tool_calls, original.tool_calls)
    trial.expect("the number of tool calls", len(stream.tool_calls), 1)


@case(
    "iterator/replay/reasoning",
    "Reasoning is not lost.",
    source=CONTRACT,
    needs=["replay_output", "message_reasoning", *OUTPUT],
    wires=REASONING,
)
async def reasoning(trial: IteratorTrial) -> None:
    original = trial.stream(Reasoning("Let me see."), "It is deep.")
    await original.read()
    stream = of(trial, trial.adapter.replay_output(original.output))
    await stream.read()
    trial.expect("the reasoning", trial.adapter.message_reasoning(stream.message), "Let me see.")
    trial.expect("the text", stream.output_text, "It is deep.")


@case(
    "iterator/replay/error",
    "The output of a broken stream replays up to its error.",
    source=CONTRACT,
    needs=["replay_output", "output_error", *OUTPUT],
)
async def error(trial: IteratorTrial) -> None:
    frames = trial.encode(Text("one two", pieces=("one", " two")))
    original = trial.open([*frames[:1], OSError("the connection broke")])
    await original.failure()
    stream = of(trial, trial.adapter.replay_output(original.output))
    _, raised = await stream.failure()
    trial.expect("the type of the error", type(raised), type(trial.adapter.output_error(original.output)))
