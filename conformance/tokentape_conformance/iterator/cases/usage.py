"""Usage: promise 8. What the provider reported, with the same meaning for every provider, and nothing invented."""

from __future__ import annotations

from typing import Any

from tokentape_conformance.iterator import IteratorTrial, case, having
from tokentape_conformance.iterator.cases.sources import CONTRACT, OPENTELEMETRY, REFERENCE
from tokentape_conformance.iterator.frame_edits import document, edited
from tokentape_conformance.iterator.wires import ALL, reporting
from tokentape_fake_provider.script.model import Script, Text, Usage

ANSWER = Text("one two three", pieces=("one", " two", " three"))
CHAT = having(lambda facts: facts.usage_on_request)


async def reported(trial: IteratorTrial, usage: Usage) -> dict[str, int | None]:
    """Read a stream that reports this usage; the stream's usage."""
    stream = trial.stream(ANSWER, usage=usage)
    await stream.read()
    return stream.usage


@case("iterator/usage/counts", "Input, output and total are known after the stream.", source=REFERENCE, needs=["usage"])
async def counts(trial: IteratorTrial) -> None:
    usage = await reported(trial, Usage(input=120, output=34))
    trial.expect("usage", [usage["input"], usage["output"], usage["total"]], [120, 34, 154])


@case(
    "iterator/usage/cached",
    "Cached tokens are included in the input, however the provider counts them.",
    source=OPENTELEMETRY,
    needs=["usage"],
    wires=reporting("cached"),
)
async def cached(trial: IteratorTrial) -> None:
    usage = await reported(trial, Usage(input=120, output=34, cached=100))
    seen = [usage["input"], usage["cached"], usage["output"], usage["total"]]
    trial.expect("input, cached, output, total", seen, [120, 100, 34, 154])


@case(
    "iterator/usage/cache-write",
    "Tokens written to a cache are included in the input.",
    source=OPENTELEMETRY,
    needs=["usage"],
    wires=reporting("cache_write"),
)
async def cache_write(trial: IteratorTrial) -> None:
    usage = await reported(trial, Usage(input=120, output=34, cached=70, cache_write=30))
    seen = [usage["input"], usage["cached"], usage["cache_write"], usage["total"]]
    trial.expect("input, cached, cache_write, total", seen, [120, 70, 30, 154])


@case(
    "iterator/usage/reasoning",
    "Reasoning tokens are included in the output, however the provider counts them.",
    source=OPENTELEMETRY,
    needs=["usage"],
    wires=reporting("reasoning"),
)
async def reasoning(trial: IteratorTrial) -> None:
    usage = await reported(trial, Usage(input=120, output=34, reasoning=30))
    seen = [usage["input"], usage["output"], usage["reasoning"], usage["total"]]
    trial.expect("input, output, reasoning, total", seen, [120, 34, 30, 154])


@case(
    "iterator/usage/last-report-wins",
    "If usage is reported repeatedly, the last report counts, never the sum.",
    source="vLLM: stream_options.continuous_usage_stats",
    needs=["usage"],
    wires=CHAT,
)
async def last_report_wins(trial: IteratorTrial) -> None:
    frames = trial.encode(ANSWER, usage=Usage(input=10, output=9))
    counts = iter(range(1, len(frames)))

    def report(chunk: dict[str, Any]) -> None:
        if chunk["choices"]:
            count = next(counts)
            chunk["usage"] = {"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count}

    stream = trial.open(edited(frames, report))
    await stream.read()
    usage = stream.usage
    trial.expect("input, output, total", [usage["input"], usage["output"], usage["total"]], [10, 9, 19])


@case(
    "iterator/usage/each-field-for-itself",
    "A later report that omits a field does not erase it.",
    source="Anthropic API reference: message_start reports input, message_delta output",
    needs=["usage"],
    wires=["anthropic_messages"],
)
async def each_field_for_itself(trial: IteratorTrial) -> None:
    frames = trial.encode(ANSWER, usage=Usage(input=120, output=34, cached=100))

    def omit_input(event: dict[str, Any]) -> None:
        if event["type"] == "message_delta":
            event["usage"] = {"output_tokens": event["usage"]["output_tokens"]}

    stream = trial.open(edited(frames, omit_input))
    await stream.read()
    usage = stream.usage
    trial.expect("input, cached, output", [usage["input"], usage["cached"], usage["output"]], [120, 100, 34])


@case(
    "iterator/usage/trailing-chunk",
    "Usage in a chunk of its own after the finish reason counts.",
    source="OpenAI API reference: stream_options.include_usage",
    needs=["usage"],
    wires=[*CHAT, "bedrock_converse"],
)
async def trailing_chunk(trial: IteratorTrial) -> None:
    usage = await reported(trial, Usage(input=7, output=5))
    trial.expect("input and output", [usage["input"], usage["output"]], [7, 5])


@case(
    "iterator/usage/beside-the-finish-reason",
    "Usage in the same chunk as the finish reason counts.",
    source="sent by DeepSeek, Mistral and others",
    needs=["usage"],
    wires=CHAT,
)
async def beside_the_finish_reason(trial: IteratorTrial) -> None:
    frames = trial.encode(ANSWER, usage=Usage(input=7, output=5))
    chunks = [document(frame) for frame in frames]
    usage = next(chunk["usage"] for chunk in chunks if chunk and not chunk["choices"])
    kept = [frame for frame, chunk in zip(frames, chunks, strict=True) if chunk is None or chunk["choices"]]

    def join(chunk: dict[str, Any]) -> None:
        if chunk["choices"][0]["finish_reason"]:
            chunk["usage"] = usage

    stream = trial.open(edited(kept, join))
    await stream.read()
    trial.expect("input and output", [stream.usage["input"], stream.usage["output"]], [7, 5])


@case(
    "iterator/usage/not-reported",
    "Usage that was not reported is None, never 0 and never an estimate.",
    source=CONTRACT,
    needs=["usage"],
    wires=[wire for wire in ALL if wire not in ("anthropic_messages", "bedrock_invoke")],
)
async def not_reported(trial: IteratorTrial) -> None:
    usage = await reported(trial, Usage(report=False))
    fields = ("input", "output", "total", "cached", "reasoning")
    trial.expect("usage", {name: usage[name] for name in fields}, dict.fromkeys(fields))


@case(
    "iterator/usage/zero",
    "A count of 0 that was reported is 0, not None.",
    source=CONTRACT,
    needs=["usage"],
    wires=[wire for wire in ALL if wire != "gemini"],  # which omits zeros, as proto3's JSON does
)
async def zero(trial: IteratorTrial) -> None:
    stream = trial.open(trial.encode(Script.of(usage=Usage(input=7, output=0))))
    await stream.read()
    trial.expect("output and total", [stream.usage["output"], stream.usage["total"]], [0, 7])


@case(
    "iterator/usage/none-before",
    "Usage is None before the first report.",
    source=CONTRACT,
    needs=["usage"],
)
async def none_before(trial: IteratorTrial) -> None:
    stream = trial.stream(ANSWER, usage=Usage(input=7, output=5))
    trial.expect("output before the loop", stream.usage["output"], None)
    await stream.read()


@case(
    "iterator/usage/while-streaming",
    "Usage that is reported at the beginning is known while the stream is read.",
    source="Anthropic API reference: message_start",
    needs=["usage"],
    wires=["anthropic_messages"],
)
async def while_streaming(trial: IteratorTrial) -> None:
    stream = trial.stream(ANSWER, usage=Usage(input=120, output=34))
    seen = [stream.usage["input"] async for chunk in stream.chunks() if trial.adapter.text(chunk)]
    trial.expect("input at each piece", seen, [120, 120, 120])


@case(
    "iterator/usage/chunks-keep-theirs",
    "A chunk that reports usage has it; the last value of each field is the stream's.",
    source=CONTRACT,
    needs=["usage", "chunk_usage"],
)
async def chunks_keep_theirs(trial: IteratorTrial) -> None:
    stream = trial.stream(ANSWER, usage=Usage(input=120, output=34))
    chunks = await stream.read()
    reports = [dict(usage) for chunk in chunks if (usage := trial.adapter.chunk_usage(chunk)) is not None]
    last: dict[str, int | None] = {}
    for usage in reports:
        last |= {name: count for name, count in usage.items() if count is not None}
    trial.expect("input and output of the chunks", [last.get("input"), last.get("output")], [120, 34])


@case(
    "iterator/usage/output-and-event",
    "The output, and the event's output, have the stream's usage.",
    source=REFERENCE,
    needs=["usage", "output", "output_usage", "listen", "event_fields"],
)
async def output_and_event(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.stream(ANSWER, usage=Usage(input=120, output=34))
    await stream.read()
    expected = stream.usage
    trial.expect("the output's usage", dict(trial.adapter.output_usage(stream.output)), expected)
    sent = trial.adapter.event_fields(events[0][1])["output"]
    trial.expect("the usage of the event's output", dict(trial.adapter.output_usage(sent)), expected)
    trial.expect("input", expected["input"], 120)
