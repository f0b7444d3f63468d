"""Output: promise 15, and what the provider says beside the message."""

from __future__ import annotations

import re
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.edits import document
from tokentape_conformance.iterator.trial import carrying
from tokentape_conformance.iterator.wires import NDJSON, SSE
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


@case(
    "iterator/output/stable",
    "After the end the output is one object, however often it is asked for.",
    source=CONTRACT,
    needs=["output"],
)
async def stable(trial: IteratorTrial) -> None:
    stream = trial.tell(WORDS)
    await stream.read()
    trial.expect("it is the same object", stream.output is stream.output, True)
    first = stream.output
    await stream.read()
    trial.expect("it is the same object after another loop", stream.output is first, True)


@case(
    "iterator/output/at-the-end-already",
    "In a callback the output is final already.",
    source=CONTRACT,
    needs=["output", "add_callback"],
)
async def at_the_end_already(trial: IteratorTrial) -> None:
    seen: list[Any] = []
    stream = trial.tell(WORDS)
    stream.add_callback(lambda message: seen.append(stream.output))
    await stream.read()
    trial.expect("the output in the callback is the final one", [one is stream.output for one in seen], [True])


@case(
    "iterator/output/response-id",
    "The response's id is not lost.",
    source="the providers' API references: id",
    needs=["output", "output_metadata"],
    wires=["openai_chat", "openai_responses", "openai_completions", "anthropic_messages", "cohere_chat"],
)
async def response_id(trial: IteratorTrial) -> None:
    frames = trial.say(WORDS)
    found = re.search(rb'"id":\s*"([^"]+)"', b"".join(frames))
    stream = trial.open(frames)
    await stream.read()
    assert found is not None
    told = list(trial.adapter.output_metadata(stream.output).values())
    trial.expect(f"{found[1].decode()} is in the output's metadata {told}", found[1].decode() in told, True)


@case(
    "iterator/output/raw-events",
    "Raw wire events are kept if that is asked for, each whole, and else not.",
    source=CONTRACT,
    needs=["raw_events", "kept_events"],
)
async def raw_events(trial: IteratorTrial) -> None:
    pieces = trial.pieces(WORDS)
    frames = [piece.data for piece in pieces]
    body = b"".join(frames)
    stream = trial.open([body[at : at + 5] for at in range(0, len(body), 5)], keep_raw=True)
    await stream.read()
    kept = trial.adapter.kept_events(stream.stream)
    trial.expect("there are events", bool(kept), True)
    carried = [frames[number] for number in carrying(pieces)]
    for frame in carried if trial.wire in (*SSE, *NDJSON) else ():
        told = [document(event) for event in kept]
        trial.expect("each event with text is among them", document(frame) in told, True)
    trial.expect("no fewer than carry text", len(kept) >= len(carried), True)
    unasked = trial.open(frames)
    await unasked.read()
    trial.expect("kept without being asked for", trial.adapter.kept_events(unasked.stream), None)
