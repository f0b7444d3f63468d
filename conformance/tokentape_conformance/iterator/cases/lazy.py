"""Lazy: promise 1. The source is read when the reader asks, one chunk at a time."""

from __future__ import annotations

import contextlib

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.trial import carrying
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


@case("iterator/lazy/nothing-before-the-first-next", "Opening a stream reads nothing.", source=CONTRACT)
async def nothing_before_the_first_next(trial: IteratorTrial) -> None:
    stream = trial.tell(WORDS)
    trial.expect("reads of the source before the loop", stream.source.reads, 0)
    trial.expect("the text that the loop then sees", await stream.text(), WORDS.text)


@case(
    "iterator/lazy/one-chunk-at-a-time",
    "Each piece is handed over before the next one is read.",
    source=CONTRACT,
)
async def one_chunk_at_a_time(trial: IteratorTrial) -> None:
    pieces = trial.pieces(WORDS)
    stream = trial.open([piece.data for piece in pieces])
    seen = [
        (trial.adapter.text(chunk), stream.source.reads) async for chunk in stream.chunks() if trial.adapter.text(chunk)
    ]
    expected = [(text, frame + 1) for text, frame in zip(WORDS.pieces, carrying(pieces), strict=True)]
    trial.expect("each piece, and how much was read by then", seen, expected)


@case("iterator/lazy/begun-once", "The source is begun once and read to its end once.", source=CONTRACT)
async def begun_once(trial: IteratorTrial) -> None:
    stream = trial.tell(WORDS)
    await stream.read()
    trial.expect("how often the source was begun", stream.source.begun, 1)
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

    pieces = trial.pieces(WORDS)
    stream = trial.open([piece.data for piece in pieces])
    trial.expect(f"reads of the source after looking at {inspect()}", stream.source.reads, 0)
    async with contextlib.aclosing(stream.chunks()) as chunks:
        async for chunk in chunks:
            if trial.adapter.text(chunk):
                break
        seen = inspect()
        trial.expect(f"reads of the source after looking at {seen}", stream.source.reads, carrying(pieces)[0] + 1)


@case(
    "iterator/lazy/not-beyond-the-end",
    "After the terminal event nothing more is read: servers keep connections open.",
    source="the providers' API references: [DONE], message_stop, metadata, the line that is done",
    # The Responses API ends with the body: some servers send several responses in one.
    wires=["openai_chat", "openai_completions", "anthropic_messages", "bedrock_converse", "ollama", "cohere_chat"],
)
async def not_beyond_the_end(trial: IteratorTrial) -> None:
    frames = trial.say(WORDS)
    stream = trial.open([*frames, OSError("nobody should wait for this")])
    trial.expect("the text of all chunks", await stream.text(), WORDS.text)
    trial.expect("frames that were read", stream.source.reads, len(frames))
