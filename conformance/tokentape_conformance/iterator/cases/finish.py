"""Finish: promise 9. The finish reason, in the common vocabulary and in the provider's own."""

from __future__ import annotations

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.wires import with_finish_reason
from tokentape_fake_provider.script.model import Choice, FinishReason, Script, Text, ToolCall

ANSWER = Text("one two three", pieces=("one", " two", " three"))
UNKNOWN = "because_of_the_tide"


async def ends(trial: IteratorTrial, reason: FinishReason) -> None:
    """The stream has this finish reason."""
    items = (ANSWER, ToolCall.of("depth", {"of": "sea"})) if reason == "tool_calls" else (ANSWER,)
    stream = trial.stream(*items, finish_reason=reason)
    await stream.read()
    trial.expect("the finish reason", stream.finish_reason, reason)


@case("iterator/finish/stop", "A response that ended by itself: stop.", source=CONTRACT, needs=["finish_reason"])
async def stop(trial: IteratorTrial) -> None:
    await ends(trial, "stop")


@case(
    "iterator/finish/length",
    "A response at its token limit: length.",
    source=CONTRACT,
    needs=["finish_reason"],
)
async def length(trial: IteratorTrial) -> None:
    await ends(trial, "length")


@case(
    "iterator/finish/tool-calls",
    "A response that waits for tools: tool_calls.",
    source=CONTRACT,
    needs=["finish_reason", "tool_calls"],
    wires=with_finish_reason("tool_calls"),
)
async def tool_calls(trial: IteratorTrial) -> None:
    await ends(trial, "tool_calls")


@case(
    "iterator/finish/content-filter",
    "A response that was filtered: content_filter.",
    source=CONTRACT,
    needs=["finish_reason"],
    wires=with_finish_reason("content_filter"),
)
async def content_filter(trial: IteratorTrial) -> None:
    await ends(trial, "content_filter")


@case(
    "iterator/finish/refusal",
    "A response that was refused: refusal.",
    source=CONTRACT,
    needs=["finish_reason"],
    wires=with_finish_reason("refusal"),
)
async def refusal(trial: IteratorTrial) -> None:
    await ends(trial, "refusal")


@case(
    "iterator/finish/pause",
    "A response to be continued in the next request: pause.",
    source=CONTRACT,
    needs=["finish_reason"],
    wires=with_finish_reason("pause"),
)
async def pause(trial: IteratorTrial) -> None:
    await ends(trial, "pause")


@case(
    "iterator/finish/unknown",
    "An unknown reason is `other`, and the provider's own word is kept.",
    source=CONTRACT,
    needs=["finish_reason", "provider_finish_reason"],
    wires=[wire for wire in with_finish_reason("length") if wire not in ("openai_responses", "gemini_interactions")],
)
async def unknown(trial: IteratorTrial) -> None:
    stream = trial.open(trial.encode(Script((Choice((ANSWER,), provider_finish_reason=UNKNOWN),))))
    await stream.read()
    trial.expect("the finish reason", stream.finish_reason, "other")
    word = trial.adapter.provider_finish_reason(stream.stream)
    trial.expect("the provider's own word, in lowercase", (word or "").lower(), UNKNOWN)


@case(
    "iterator/finish/output-and-event",
    "The finish reason is on the stream, the output and the event.",
    source=CONTRACT,
    needs=["finish_reason", "output", "messages", "message_finish_reason", "listen", "event_fields"],
)
async def output_and_event(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.stream(ANSWER, finish_reason="length")
    await stream.read()
    trial.expect("the stream's", stream.finish_reason, "length")
    trial.expect("the output's", trial.adapter.message_finish_reason(stream.message), "length")
    sent = trial.adapter.messages(trial.adapter.event_fields(events[0][1])["output"])[0]
    trial.expect("the event's", trial.adapter.message_finish_reason(sent), "length")


@case(
    "iterator/finish/none-before",
    "There is no finish reason before the stream ends.",
    source=CONTRACT,
    needs=["finish_reason"],
)
async def none_before(trial: IteratorTrial) -> None:
    stream = trial.stream(ANSWER)
    seen = [stream.finish_reason async for chunk in stream.chunks() if trial.adapter.text(chunk)]
    trial.expect("the finish reason at each piece", seen, [None, None, None])


@case(
    "iterator/finish/on-a-chunk",
    "Exactly one chunk has the finish reason.",
    source=CONTRACT,
    needs=["chunk_finish_reason"],
)
async def on_a_chunk(trial: IteratorTrial) -> None:
    stream = trial.stream(ANSWER, finish_reason="length")
    seen = [reason for chunk in await stream.read() if (reason := trial.adapter.chunk_finish_reason(chunk))]
    trial.expect("the finish reasons of the chunks", seen, ["length"])
