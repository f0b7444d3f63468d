"""Lazy: promise 1. The source is read on demand, one chunk at a time."""

from __future__ import annotations

import contextlib

from tokentape_conformance.iterator import IteratorTrial, case, having
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


@case("iterator/lazy/nothing-before-the-first-next", "Opening a stream reads nothing.", source=CONTRACT)
async def nothing_before_the_first_next(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    trial.expect("reads of the source before the loop", stream.source.reads, 0)
    trial.expect("the text that the loop then sees", await stream.text(), WORDS.text)


@case(
    "iterator/lazy/one-chunk-at-a-time",
    "Each piece is delivered before the next one is read.",
    source=CONTRACT,
)
async def one_chunk_at_a_time(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    stream = trial.open([frame.data for frame in encoded])
    seen = [
        (trial.adapter.text(chunk), stream.source.reads) async for chunk in stream.chunks() if trial.adapter.text(chunk)
    ]
    expected = [(text, frame + 1) for text, frame in zip(WORDS.pieces, content_indexes(encoded), strict=True)]
    trial.expect("each piece, and the number of reads by then", seen, expected)


@case("iterator/lazy/begun-once", "The source is started once and read to its end once.", source=CONTRACT)
async def begun_once(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    await stream.read()
    trial.expect("how often the source was started", stream.source.started, 1)
    trial.expect("misuse of the source", stream.source.misuse, [])


@case(
    "iterator/lazy/inspecting-reads-nothing",
    "Status, usage, finish reason and output can be read at any time without reading the source.",
    source=CONTRACT,
    needs=["status", "usage", "finish_reason", "output", "messages", "message_text"],
)
async def inspecting_reads_nothing(trial: IteratorTrial) -> None:
    def inspect() -> list[object]:
        return [stream.status, stream.usage, stream.finish_reason, stream.output_text]

    encoded = trial.encoded_frames(WORDS)
    stream = trial.open([frame.data for frame in encoded])
    trial.expect(f"reads of the source after looking at {inspect()}", stream.source.reads, 0)
    async with contextlib.aclosing(stream.chunks()) as chunks:
        async for chunk in chunks:
            if trial.adapter.text(chunk):
                break
        seen = inspect()
        trial.expect(
            f"reads of the source after looking at {seen}", stream.source.reads, content_indexes(encoded)[0] + 1
        )


@case(
    "iterator/lazy/not-beyond-the-end",
    "Nothing is read after the terminal event: servers keep connections open.",
    source="the providers' API references: [DONE], message_stop, metadata, the line with done",
    # The Responses API ends with the body: some servers send several responses in one.
    wires=having(lambda facts: facts.terminal_event),
)
async def not_beyond_the_end(trial: IteratorTrial) -> None:
    frames = trial.encode(WORDS)
    stream = trial.open([*frames, OSError("this must not be read")])
    trial.expect("the text of all chunks", await stream.text(), WORDS.text)
    trial.expect("the number of frames read", stream.source.reads, len(frames))
