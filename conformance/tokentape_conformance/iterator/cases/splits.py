"""Splits: promise 2. Where the network splits the bytes changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, UTF8
from tokentape_conformance.iterator.iterator_trial import content_indexes, split_at
from tokentape_conformance.iterator.wires import sample_request
from tokentape_fake_provider.script.model import Text
from tokentape_fake_provider.wires import wire_named

ANSWER = Text("Aé日😀 0!", pieces=("A", "é", "日", "😀", " 0!"))


async def reads_as(trial: IteratorTrial, chunks: Sequence[bytes], text: str, how: str) -> None:
    """The text of these chunks is this."""
    stream = trial.open(chunks)
    trial.expect(f"the text of a stream that comes {how}", await stream.text(), text)
    trial.opened.remove(stream)  # only a failed stream is evidence


@case("iterator/splits/one-byte", "A stream that comes byte by byte has the same text.", source=CONTRACT)
async def one_byte(trial: IteratorTrial) -> None:
    body = b"".join(trial.encode(ANSWER))
    await reads_as(trial, [body[at : at + 1] for at in range(len(body))], ANSWER.text, "byte by byte")


@case("iterator/splits/two-bytes", "A stream that comes in two-byte pieces has the same text.", source=CONTRACT)
async def two_bytes(trial: IteratorTrial) -> None:
    body = b"".join(trial.encode(ANSWER))
    await reads_as(trial, [body[at : at + 2] for at in range(0, len(body), 2)], ANSWER.text, "two bytes at a time")


@case("iterator/splits/one-chunk", "A stream that comes in one chunk has the same text.", source=CONTRACT)
async def one_chunk(trial: IteratorTrial) -> None:
    await reads_as(trial, [b"".join(trial.encode(ANSWER))], ANSWER.text, "at once")


@case("iterator/splits/several-events-a-chunk", "A chunk may hold several events.", source=CONTRACT)
async def several_events_a_chunk(trial: IteratorTrial) -> None:
    frames = trial.encode(ANSWER)
    pairs = [b"".join(frames[at : at + 2]) for at in range(0, len(frames), 2)]
    await reads_as(trial, pairs, ANSWER.text, "two events a chunk")


@case("iterator/splits/an-event-and-a-half", "A chunk may end in the middle of an event.", source=CONTRACT)
async def an_event_and_a_half(trial: IteratorTrial) -> None:
    frames = trial.encode(ANSWER)
    halves = [half for frame in frames for half in split_at(frame, len(frame) // 2)]
    shifted = [halves[0], *(b"".join(halves[at : at + 2]) for at in range(1, len(halves), 2))]
    await reads_as(trial, shifted, ANSWER.text, "an event and a half at a time")


@case("iterator/splits/inside-a-character", "A character that is split in two is kept.", source=UTF8)
async def inside_a_character(trial: IteratorTrial) -> None:
    body = b"".join(trial.encode(ANSWER))
    inside = [at for at, byte in enumerate(body) if byte & 0xC0 == 0x80]
    for at in inside or [len(body) // 2]:
        await reads_as(trial, split_at(body, at), ANSWER.text, f"split at byte {at}, inside a character")
    await reads_as(trial, split_at(body, *inside), ANSWER.text, "split inside every character")


@case(
    "iterator/splits/every-cut",
    "A split anywhere in an event changes nothing.",
    source=CONTRACT,
)
async def every_cut(trial: IteratorTrial) -> None:
    sent = Text("é!", pieces=("é", "!"))
    encoded = trial.encoded_frames(sent)
    frames = [frame.data for frame in encoded]
    body = b"".join(frames)
    begins = sum(map(len, frames[: content_indexes(encoded)[0]]))
    ends = begins + len(frames[content_indexes(encoded)[0]]) + 4
    edges = {sum(map(len, frames[:number])) + off for number in range(1, len(frames)) for off in (-1, 0, 1)}
    for at in sorted({*range(begins, ends), *edges}):
        await reads_as(trial, split_at(body, at), sent.text, f"split at byte {at}")


@case(
    "iterator/splits/at-random",
    "Random splits change nothing.",
    source=CONTRACT,
)
async def at_random(trial: IteratorTrial) -> None:
    body = b"".join(trial.encode(ANSWER))
    for _ in range(10):
        offsets = trial.random.sample(range(1, len(body)), trial.random.randint(1, len(body) // 4))
        await reads_as(trial, split_at(body, *offsets), ANSWER.text, f"in {len(offsets) + 1} pieces")


@case("iterator/splits/empty-chunks", "Empty chunks end nothing and change nothing.", source=CONTRACT)
async def empty_chunks(trial: IteratorTrial) -> None:
    frames = [chunk for frame in trial.encode(ANSWER) for chunk in (b"", frame, b"")]
    await reads_as(trial, frames, ANSWER.text, "with empty chunks between")


@case(
    "iterator/splits/json-array",
    "A stream that is one JSON array has the same text, wherever it is split.",
    source="Gemini API: streamGenerateContent without alt=sse",
    wires=["gemini"],
)
async def json_array(trial: IteratorTrial) -> None:
    request = sample_request(trial.wire)
    trial.request = request.line.replace("?alt=sse", "")
    array = wire_named(trial.wire).encode_stream(
        trial.script(ANSWER), msgspec.structs.replace(request.parsed, query="")
    )
    body = b"".join(piece.data for piece in array)
    trial.expect("the first byte", body[:1], b"[")
    for size in (len(body), 1, 2, 7):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        await reads_as(trial, pieces, ANSWER.text, f"as an array, {size} bytes at a time")
