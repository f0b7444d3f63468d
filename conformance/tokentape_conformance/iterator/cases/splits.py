"""Splits: promise 2. Where the network cuts the bytes changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, UTF8
from tokentape_conformance.iterator.trial import carrying, cut
from tokentape_conformance.iterator.wires import asked
from tokentape_fake_provider.script.model import Text
from tokentape_fake_provider.wires import wire_named

SAID = Text("Aé日😀 0!", pieces=("A", "é", "日", "😀", " 0!"))


async def reads_as(trial: IteratorTrial, chunks: Sequence[bytes], text: str, how: str) -> None:
    """These bytes are this text."""
    stream = trial.open(chunks)
    trial.expect(f"the text of a stream that comes {how}", await stream.text(), text)
    trial.opened.remove(stream)  # only a failed one is evidence


@case("iterator/splits/one-byte", "A stream that comes byte by byte says the same.", source=CONTRACT)
async def one_byte(trial: IteratorTrial) -> None:
    body = b"".join(trial.say(SAID))
    await reads_as(trial, [body[at : at + 1] for at in range(len(body))], SAID.text, "byte by byte")


@case("iterator/splits/two-bytes", "A stream that comes in two-byte pieces says the same.", source=CONTRACT)
async def two_bytes(trial: IteratorTrial) -> None:
    body = b"".join(trial.say(SAID))
    await reads_as(trial, [body[at : at + 2] for at in range(0, len(body), 2)], SAID.text, "two bytes at a time")


@case("iterator/splits/one-chunk", "A stream that comes in one chunk says the same.", source=CONTRACT)
async def one_chunk(trial: IteratorTrial) -> None:
    await reads_as(trial, [b"".join(trial.say(SAID))], SAID.text, "at once")


@case("iterator/splits/several-events-a-chunk", "A chunk may hold several events.", source=CONTRACT)
async def several_events_a_chunk(trial: IteratorTrial) -> None:
    frames = trial.say(SAID)
    pairs = [b"".join(frames[at : at + 2]) for at in range(0, len(frames), 2)]
    await reads_as(trial, pairs, SAID.text, "two events a chunk")


@case("iterator/splits/an-event-and-a-half", "A chunk may end in the middle of an event.", source=CONTRACT)
async def an_event_and_a_half(trial: IteratorTrial) -> None:
    frames = trial.say(SAID)
    halves = [half for frame in frames for half in cut(frame, len(frame) // 2)]
    shifted = [halves[0], *(b"".join(halves[at : at + 2]) for at in range(1, len(halves), 2))]
    await reads_as(trial, shifted, SAID.text, "an event and a half at a time")


@case("iterator/splits/inside-a-character", "A character that is cut in two is that character.", source=UTF8)
async def inside_a_character(trial: IteratorTrial) -> None:
    body = b"".join(trial.say(SAID))
    inside = [at for at, byte in enumerate(body) if byte & 0xC0 == 0x80]
    for at in inside or [len(body) // 2]:
        await reads_as(trial, cut(body, at), SAID.text, f"cut at byte {at}, inside a character")
    await reads_as(trial, cut(body, *inside), SAID.text, "cut inside every character")


@case("iterator/splits/every-cut", "Wherever an event is cut in two, it says the same.", source=CONTRACT)
async def every_cut(trial: IteratorTrial) -> None:
    said = Text("é!", pieces=("é", "!"))
    pieces = trial.pieces(said)
    frames = [piece.data for piece in pieces]
    body = b"".join(frames)
    begins = sum(map(len, frames[: carrying(pieces)[0]]))
    ends = begins + len(frames[carrying(pieces)[0]]) + 4
    edges = {sum(map(len, frames[:number])) + off for number in range(1, len(frames)) for off in (-1, 0, 1)}
    for at in sorted({*range(begins, ends), *edges}):
        await reads_as(trial, cut(body, at), said.text, f"cut at byte {at}")


@case("iterator/splits/at-random", "Cut anywhere, in any number of pieces, it says the same.", source=CONTRACT)
async def at_random(trial: IteratorTrial) -> None:
    body = b"".join(trial.say(SAID))
    for _ in range(10):
        ends = trial.random.sample(range(1, len(body)), trial.random.randint(1, len(body) // 4))
        await reads_as(trial, cut(body, *ends), SAID.text, f"in {len(ends) + 1} pieces")


@case("iterator/splits/empty-chunks", "Empty chunks end nothing and change nothing.", source=CONTRACT)
async def empty_chunks(trial: IteratorTrial) -> None:
    frames = [chunk for frame in trial.say(SAID) for chunk in (b"", frame, b"")]
    await reads_as(trial, frames, SAID.text, "with empty chunks between")


@case(
    "iterator/splits/json-array",
    "A stream that is one JSON array says the same, wherever it is cut.",
    source="Gemini API: streamGenerateContent without alt=sse",
    wires=["gemini"],
)
async def json_array(trial: IteratorTrial) -> None:
    request = asked(trial.wire)
    trial.request = request.line.replace("?alt=sse", "")
    array = wire_named(trial.wire).encode_stream(trial.script(SAID), msgspec.structs.replace(request.ask, query=""))
    body = b"".join(piece.data for piece in array)
    trial.expect("the first byte", body[:1], b"[")
    for size in (len(body), 1, 2, 7):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        await reads_as(trial, pieces, SAID.text, f"as an array, {size} bytes at a time")
