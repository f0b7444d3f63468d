"""Tool calls: promise 10. Fragments are joined into calls in any order, and no arguments raise an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, OpenedStream, case, having
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.frame_edits import call_index, edited
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_conformance.iterator.wires import ARGUMENT_TEXT, TOOL_CALLS
from tokentape_fake_provider.script.model import Text, ToolCall

NEEDS = ("tool_calls", "output", "messages", "message_tool_calls")
DEPTH = ToolCall.of("depth", {"of": "the sea", "unit": "m"}, id="call_1")
WEATHER = ToolCall.of("weather", {"at": ["Oslo", "日本"], "days": 0}, id="call_2")


def fragmented(call: ToolCall, size: int = 3) -> ToolCall:
    """The call with its arguments in fragments of `size` characters."""
    text = call.arguments
    pieces = tuple(text[at : at + size] for at in range(0, len(text), size))
    return ToolCall(call.name, text, call.id, pieces)


def fields(call: dict[str, Any]) -> tuple[str, Any, bool]:
    """A call's name, arguments and validity."""
    return call["name"], call["arguments"], call["valid"]


def expect_calls(trial: IteratorTrial, stream: OpenedStream, expected: Sequence[tuple[str, Any, bool]]) -> None:
    """The output has these calls."""
    trial.expect("the tool calls of the output", [fields(call) for call in stream.tool_calls], list(expected))


DEPTH_FIELDS = ("depth", {"of": "the sea", "unit": "m"}, True)
WEATHER_FIELDS = ("weather", {"at": ["Oslo", "日本"], "days": 0}, True)


@case("iterator/tool-calls/one", "A call has its name and arguments.", source=CONTRACT, needs=NEEDS, wires=TOOL_CALLS)
async def one(trial: IteratorTrial) -> None:
    stream = trial.stream(DEPTH)
    await stream.read()
    expect_calls(trial, stream, [DEPTH_FIELDS])


@case(
    "iterator/tool-calls/id",
    "A call has the id that the provider gave it.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def ids(trial: IteratorTrial) -> None:
    stream = trial.stream(DEPTH, WEATHER)
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
    stream = trial.stream(DEPTH, WEATHER, ToolCall.of("now", {"utc": False}))
    await stream.read()
    expect_calls(trial, stream, [DEPTH_FIELDS, WEATHER_FIELDS, ("now", {"utc": False}, True)])


@case(
    "iterator/tool-calls/fragments",
    "Argument fragments are joined.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def fragments(trial: IteratorTrial) -> None:
    for size in (1, 2, 7):
        stream = trial.stream(fragmented(DEPTH, size), fragmented(WEATHER, size))
        await stream.read()
        expect_calls(trial, stream, [DEPTH_FIELDS, WEATHER_FIELDS])


@case(
    "iterator/tool-calls/interleaved",
    "Interleaved fragments belong to the call of their index.",
    source="OpenAI API reference: delta.tool_calls[].index",
    needs=NEEDS,
    wires=["openai_chat"],
)
async def interleaved(trial: IteratorTrial) -> None:
    frames = trial.encode(fragmented(DEPTH), fragmented(WEATHER))
    queues = [[frame for frame in frames if call_index(frame) == index] for index in (0, 1)]
    turns = [frame for pair in zip(*queues, strict=False) for frame in pair]
    rest = [frame for queue in queues for frame in queue[min(map(len, queues)) :]]
    first = next(at for at, frame in enumerate(frames) if call_index(frame) is not None)
    others = [frame for frame in frames if call_index(frame) is None]
    stream = trial.open([*others[:first], *turns, *rest, *others[first:]])
    await stream.read()
    expect_calls(trial, stream, [DEPTH_FIELDS, WEATHER_FIELDS])


@case(
    "iterator/tool-calls/id-on-every-fragment",
    "An id and a name that are repeated in every fragment do not create another call.",
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

    stream = trial.open(edited(trial.encode(fragmented(DEPTH), fragmented(WEATHER)), repeat))
    await stream.read()
    expect_calls(trial, stream, [DEPTH_FIELDS, WEATHER_FIELDS])


@case(
    "iterator/tool-calls/all-numbered-zero",
    "A new id with the index of another call is a new call.",
    source="servers that number every call 0: Gemini's OpenAI endpoint",
    needs=NEEDS,
    wires=["openai_chat"],
)
async def all_numbered_zero(trial: IteratorTrial) -> None:
    def number(chunk: dict[str, Any]) -> None:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                call["index"] = 0

    stream = trial.open(edited(trial.encode(DEPTH, WEATHER), number))
    await stream.read()
    expect_calls(trial, stream, [DEPTH_FIELDS, WEATHER_FIELDS])


@case(
    "iterator/tool-calls/repeated",
    "A whole call that is sent twice with the same id is one call.",
    source=CONTRACT,
    needs=NEEDS,
    wires=having(lambda facts: facts.tool_calls and not facts.argument_text),
)
async def repeated(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(DEPTH)
    at = content_indexes(encoded)[-1]
    frames = [frame.data for frame in encoded]
    stream = trial.open([*frames[: at + 1], frames[at], *frames[at + 1 :]])
    await stream.read()
    expect_calls(trial, stream, [DEPTH_FIELDS])


@case(
    "iterator/tool-calls/no-arguments",
    "Arguments that are empty or missing mean {}.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def no_arguments(trial: IteratorTrial) -> None:
    for text in ("{}",) if trial.wire == "ollama" else ("{}", ""):
        stream = trial.stream(ToolCall("now", text, "call_1"))
        await stream.read()
        expect_calls(trial, stream, [("now", {}, True)])


@case(
    "iterator/tool-calls/invalid-json",
    "Arguments that are not JSON yield an invalid call with their text, never an exception.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def invalid_json(trial: IteratorTrial) -> None:
    for text in ('{"of": "the se', "{'of': 1}", "the sea", '{"of": 1}}'):
        stream = trial.stream(ToolCall("depth", text, "call_1"))
        await stream.read()
        seen = [(call["name"], call["valid"], call["raw"]) for call in stream.tool_calls]
        trial.expect("the tool calls of the output", seen, [("depth", False, text)])


@case(
    "iterator/tool-calls/no-object",
    "Arguments that are JSON but not an object yield an invalid call.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def no_object(trial: IteratorTrial) -> None:
    for text in ("[1]", '"the sea"', "0"):
        stream = trial.stream(ToolCall("depth", text, "call_1"))
        await stream.read()
        seen = [(call["valid"], call["raw"]) for call in stream.tool_calls]
        trial.expect("validity and text of the calls", seen, [(False, text)])


@case(
    "iterator/tool-calls/values",
    "Zero, false, null, nested and non-ASCII values are kept.",
    source=CONTRACT,
    needs=NEEDS,
    wires=TOOL_CALLS,
)
async def values(trial: IteratorTrial) -> None:
    arguments = {"zero": 0, "no": False, "none": None, "text": "0", "deep": {"list": [1, [], {}]}, "é": '\u2028\n"\\'}
    stream = trial.stream(ToolCall.of("f", arguments, id="call_1"))
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
    stream = trial.stream(fragmented(ToolCall.of("write", arguments, id="call_1"), 5_000))
    await stream.read()
    expect_calls(trial, stream, [("write", arguments, True)])


@case(
    "iterator/tool-calls/beside-text",
    "Text and calls of one response do not mix.",
    source=CONTRACT,
    needs=[*NEEDS, "message_text"],
    wires=TOOL_CALLS,
)
async def beside_text(trial: IteratorTrial) -> None:
    stream = trial.stream(Text("Let me look.", pieces=("Let me", " look.")), DEPTH, WEATHER)
    text = await stream.text()
    trial.expect("the text of all chunks", text, "Let me look.")
    trial.expect("the text of the output", stream.output_text, "Let me look.")
    expect_calls(trial, stream, [DEPTH_FIELDS, WEATHER_FIELDS])


@case(
    "iterator/tool-calls/once-across-chunks",
    "A finished call appears in exactly one chunk.",
    source=CONTRACT,
    needs=[*NEEDS, "chunk_tool_calls"],
    wires=TOOL_CALLS,
)
async def once_across_chunks(trial: IteratorTrial) -> None:
    stream = trial.stream("Let me look.", DEPTH, WEATHER)
    chunks = await stream.read()
    seen = [fields(dict(call)) for chunk in chunks for call in trial.adapter.chunk_tool_calls(chunk)]
    trial.expect("the calls that chunks complete", seen, [DEPTH_FIELDS, WEATHER_FIELDS])


@case(
    "iterator/tool-calls/cut-off",
    "If a stream breaks inside a call, the stream's error is raised and the partial call can be read.",
    source=CONTRACT,
    needs=NEEDS,
    wires=ARGUMENT_TEXT,
)
async def cut_off(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(fragmented(DEPTH, 8))
    at = next(number for number, piece in enumerate(encoded) if b"he sea" in trial.readable(piece.data))
    stream = trial.open([frame.data for frame in encoded[: at + 1]])
    await stream.failure()
    seen = [(call["name"], call["valid"], DEPTH.arguments.startswith(call["raw"])) for call in stream.tool_calls]
    trial.expect("name, validity and text of the calls", seen, [("depth", False, True)])
