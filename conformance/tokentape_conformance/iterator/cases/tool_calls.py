"""Tool calls: promise 10. Fragments become calls, whatever their order, and nothing that a model sends raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, Opened, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.edits import call_index, edited
from tokentape_conformance.iterator.trial import carrying
from tokentape_conformance.iterator.wires import ARGUMENT_TEXT, TOOL_CALLS
from tokentape_fake_provider.script.model import Text, ToolCall

NEEDS = ("tool_calls", "output", "messages", "message_tool_calls")
DEPTH = ToolCall.of("depth", {"of": "the sea", "unit": "m"}, id="call_1")
WEATHER = ToolCall.of("weather", {"at": ["Oslo", "日本"], "days": 0}, id="call_2")


def fragmented(call: ToolCall, size: int = 3) -> ToolCall:
    """The call with its arguments in fragments of so many characters."""
    text = call.arguments
    pieces = tuple(text[at : at + size] for at in range(0, len(text), size))
    return ToolCall(call.name, text, call.id, pieces)


def told(call: dict[str, Any]) -> tuple[str, Any, bool]:
    """What counts of a call beside its id."""
    return call["name"], call["arguments"], call["valid"]


def expect_calls(trial: IteratorTrial, stream: Opened, expected: Sequence[tuple[str, Any, bool]]) -> None:
    """The output has these calls."""
    trial.expect("the tool calls of the output", [told(call) for call in stream.tool_calls], list(expected))


DEPTH_TOLD = ("depth", {"of": "the sea", "unit": "m"}, True)
WEATHER_TOLD = ("weather", {"at": ["Oslo", "日本"], "days": 0}, True)


@case("iterator/tool-calls/one", "A call has its name and arguments.", source=CONTRACT, needs=NEEDS, wires=TOOL_CALLS)
async def one(trial: IteratorTrial) -> None:
    stream = trial.tell(DEPTH)
    await stream.read()
    expect_calls(trial, stream, [DEPTH_TOLD])


@case(
    "iterator/tool-calls/id",
    "A call has the id that the provider gave it.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def ids(trial: IteratorTrial) -> None:
    stream = trial.tell(DEPTH, WEATHER)
    await stream.read()
    trial.expect("the ids", [call["id"] for call in stream.tool_calls], ["call_1", "call_2"])


@case(
    "iterator/tool-calls/several",
    "Several calls keep their order.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def several(trial: IteratorTrial) -> None:
    stream = trial.tell(DEPTH, WEATHER, ToolCall.of("now", {"utc": False}))
    await stream.read()
    expect_calls(trial, stream, [DEPTH_TOLD, WEATHER_TOLD, ("now", {"utc": False}, True)])


@case(
    "iterator/tool-calls/fragments",
    "Arguments in fragments are put together.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def fragments(trial: IteratorTrial) -> None:
    for size in (1, 2, 7):
        stream = trial.tell(fragmented(DEPTH, size), fragmented(WEATHER, size))
        await stream.read()
        expect_calls(trial, stream, [DEPTH_TOLD, WEATHER_TOLD])


@case(
    "iterator/tool-calls/interleaved",
    "Fragments of several calls that come in turn belong to the call of their index.",
    source="OpenAI API reference: delta.tool_calls[].index",
    needs=NEEDS,
    wires=["openai_chat"],
)
async def interleaved(trial: IteratorTrial) -> None:
    frames = trial.say(fragmented(DEPTH), fragmented(WEATHER))
    queues = [[frame for frame in frames if call_index(frame) == index] for index in (0, 1)]
    turns = [frame for pair in zip(*queues, strict=False) for frame in pair]
    rest = [frame for queue in queues for frame in queue[min(map(len, queues)) :]]
    first = next(at for at, frame in enumerate(frames) if call_index(frame) is not None)
    others = [frame for frame in frames if call_index(frame) is None]
    stream = trial.open([*others[:first], *turns, *rest, *others[first:]])
    await stream.read()
    expect_calls(trial, stream, [DEPTH_TOLD, WEATHER_TOLD])


@case(
    "iterator/tool-calls/id-on-every-fragment",
    "An id, and a name, that come with every fragment make no second call.",
    source="servers that repeat them: Together, Mistral's dialect, several gateways",
    needs=NEEDS,
    wires=["openai_chat"],
)
async def id_on_every_fragment(trial: IteratorTrial) -> None:
    def repeat(chunk: dict[str, Any]) -> None:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                known = (DEPTH, WEATHER)[call["index"]]
                call |= {"id": known.id, "type": "function"}
                call["function"]["name"] = known.name

    stream = trial.open(edited(trial.say(fragmented(DEPTH), fragmented(WEATHER)), repeat))
    await stream.read()
    expect_calls(trial, stream, [DEPTH_TOLD, WEATHER_TOLD])


@case(
    "iterator/tool-calls/all-numbered-zero",
    "A new id under an index that is taken is a new call.",
    source="servers that number every call 0: Gemini's OpenAI endpoint",
    needs=NEEDS,
    wires=["openai_chat"],
)
async def all_numbered_zero(trial: IteratorTrial) -> None:
    def number(chunk: dict[str, Any]) -> None:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                call["index"] = 0

    stream = trial.open(edited(trial.say(DEPTH, WEATHER), number))
    await stream.read()
    expect_calls(trial, stream, [DEPTH_TOLD, WEATHER_TOLD])


@case(
    "iterator/tool-calls/repeated",
    "A whole call that comes twice with the same id is one call.",
    source=CONTRACT,
    needs=NEEDS,
    wires=["gemini", "ollama"],
)
async def repeated(trial: IteratorTrial) -> None:
    pieces = trial.pieces(DEPTH)
    at = carrying(pieces)[-1]
    frames = [piece.data for piece in pieces]
    stream = trial.open([*frames[: at + 1], frames[at], *frames[at + 1 :]])
    await stream.read()
    expect_calls(trial, stream, [DEPTH_TOLD])


@case(
    "iterator/tool-calls/no-arguments",
    "Arguments that are empty or missing mean {}.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def no_arguments(trial: IteratorTrial) -> None:
    for text in ("{}",) if trial.wire == "ollama" else ("{}", ""):
        stream = trial.tell(ToolCall("now", text, "call_1"))
        await stream.read()
        expect_calls(trial, stream, [("now", {}, True)])


@case(
    "iterator/tool-calls/invalid-json",
    "Arguments that are no JSON make a call that is marked invalid and has the text, never an exception.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def invalid_json(trial: IteratorTrial) -> None:
    for text in ('{"of": "the se', "{'of': 1}", "the sea", '{"of": 1}}'):
        stream = trial.tell(ToolCall("depth", text, "call_1"))
        await stream.read()
        seen = [(call["name"], call["valid"], call["raw"]) for call in stream.tool_calls]
        trial.expect("the tool calls of the output", seen, [("depth", False, text)])


@case(
    "iterator/tool-calls/no-object",
    "Arguments that are JSON, but no object, make an invalid call.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def no_object(trial: IteratorTrial) -> None:
    for text in ("[1]", '"the sea"', "0"):
        stream = trial.tell(ToolCall("depth", text, "call_1"))
        await stream.read()
        seen = [(call["valid"], call["raw"]) for call in stream.tool_calls]
        trial.expect("validity and text of the calls", seen, [(False, text)])


@case(
    "iterator/tool-calls/values",
    "Zero, false, null, nested and foreign values survive.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def values(trial: IteratorTrial) -> None:
    arguments = {"zero": 0, "no": False, "none": None, "text": "0", "deep": {"list": [1, [], {}]}, "é": '\u2028\n"\\'}
    stream = trial.tell(ToolCall.of("f", arguments, id="call_1"))
    await stream.read()
    expect_calls(trial, stream, [("f", arguments, True)])


@case(
    "iterator/tool-calls/large",
    "Arguments of 50,000 characters arrive whole.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def large(trial: IteratorTrial) -> None:
    arguments = {"text": "abcdefghij" * 5_000}
    stream = trial.tell(fragmented(ToolCall.of("write", arguments, id="call_1"), 5_000))
    await stream.read()
    expect_calls(trial, stream, [("write", arguments, True)])


@case(
    "iterator/tool-calls/beside-text",
    "Text and calls of one answer do not mix.",
    source=CONTRACT,
    needs=[*NEEDS, "message_text"],
    wires=TOOL_CALLS,
)
async def beside_text(trial: IteratorTrial) -> None:
    stream = trial.tell(Text("Let me look.", pieces=("Let me", " look.")), DEPTH, WEATHER)
    text = await stream.text()
    trial.expect("the text of all chunks", text, "Let me look.")
    trial.expect("the text of the output", stream.output_text, "Let me look.")
    expect_calls(trial, stream, [DEPTH_TOLD, WEATHER_TOLD])


@case(
    "iterator/tool-calls/once-across-chunks",
    "A finished call appears in exactly one chunk.",
    source=CONTRACT,
    needs=[*NEEDS, "chunk_tool_calls"],
    wires=TOOL_CALLS,
)
async def once_across_chunks(trial: IteratorTrial) -> None:
    stream = trial.tell("Let me look.", DEPTH, WEATHER)
    chunks = await stream.read()
    seen = [told(dict(call)) for chunk in chunks for call in trial.adapter.chunk_tool_calls(chunk)]
    trial.expect("the calls that chunks complete", seen, [DEPTH_TOLD, WEATHER_TOLD])


@case(
    "iterator/tool-calls/cut-off",
    "A stream that breaks inside a call: the error is about the stream, and the call so far is readable.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def cut_off(trial: IteratorTrial) -> None:
    pieces = trial.pieces(fragmented(DEPTH, 8))
    at = next(number for number, piece in enumerate(pieces) if b"he sea" in trial.readable(piece.data))
    stream = trial.open([piece.data for piece in pieces[: at + 1]])
    await stream.failure()
    seen = [(call["name"], call["valid"], DEPTH.arguments.startswith(call["raw"])) for call in stream.tool_calls]
    trial.expect("name, validity and text of the calls", seen, [("depth", False, True)])
