"""Output: promise 15, and what the provider reports beside the message."""

from __future__ import annotations

import re
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, case, having
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.frame_edits import document
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_conformance.iterator.wires import NDJSON, SSE
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


@case(
    "iterator/output/stable",
    "After the end the output is always the same object.",
    source=CONTRACT,
    needs=["output"],
)
async def stable(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    await stream.read()
    trial.expect("it is the same object", stream.output is stream.output, True)
    first = stream.output
    await stream.read()
    trial.expect("it is the same object after another loop", stream.output is first, True)


@case(
    "iterator/output/at-the-end-already",
    "In a callback the output is already final.",
    source=CONTRACT,
    needs=["output", "add_callback"],
)
async def at_the_end_already(trial: IteratorTrial) -> None:
    seen: list[Any] = []
    stream = trial.stream(WORDS)
    stream.add_callback(lambda message: seen.append(stream.output))
    await stream.read()
    trial.expect("the output in the callback is the final one", [output is stream.output for output in seen], [True])


@case(
    "iterator/output/response-id",
    "The response's id is not lost.",
    source="the providers' API references: id",
    needs=["output", "output_metadata"],
    wires=having(lambda facts: facts.response_id),
)
async def response_id(trial: IteratorTrial) -> None:
    frames = trial.encode(WORDS)
    found = re.search(rb'"id":\s*"([^"]+)"', b"".join(frames))
    stream = trial.open(frames)
    await stream.read()
    assert found is not None
    values = list(trial.adapter.output_metadata(stream.output).values())
    trial.expect(f"{found[1].decode()} is in the output's metadata {values}", found[1].decode() in values, True)


@case(
    "iterator/output/raw-events",
    "Raw wire events are kept, each whole, with `keep_raw` and only then.",
    source=CONTRACT,
    needs=["raw_events", "kept_events"],
)
async def raw_events(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    frames = [frame.data for frame in encoded]
    body = b"".join(frames)
    stream = trial.open([body[at : at + 5] for at in range(0, len(body), 5)], keep_raw=True)
    await stream.read()
    kept = trial.adapter.kept_events(stream.stream)
    trial.expect("there are events", bool(kept), True)
    with_content = [frames[number] for number in content_indexes(encoded)]
    for frame in with_content if trial.wire in (*SSE, *NDJSON) else ():
        documents = [document(event) for event in kept]
        trial.expect("each event with text is among them", document(frame) in documents, True)
    trial.expect("at least one for each event with text", len(kept) >= len(with_content), True)
    without = trial.open(frames)
    await without.read()
    trial.expect("kept without `keep_raw`", trial.adapter.kept_events(without.stream), None)
