"""Framing: what the framings' specifications allow, and servers send."""

from __future__ import annotations

from collections.abc import Callable

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import NDJSON as NDJSON_SPEC
from tokentape_conformance.iterator.cases.sources import WHATWG
from tokentape_conformance.iterator.iterator_trial import split_at
from tokentape_conformance.iterator.wires import AWS, NDJSON, SSE
from tokentape_fake_provider.script.model import Text

ANSWER = Text("The sea is 10 m deep.", pieces=("The sea", " is", " 10", " m", " deep."))


async def reads_the_same(trial: IteratorTrial, change: Callable[[bytes], bytes], *, whole: bool = False) -> None:
    """After this change of each frame (or the whole body) the chunks are the same, also if sent byte by byte."""
    frames = trial.encode(ANSWER)
    unchanged = trial.open(frames)
    expected = [trial.adapter.text(chunk) for chunk in await unchanged.read()]
    trial.expect("the text of the unchanged stream", "".join(expected), ANSWER.text)
    trial.opened.remove(unchanged)
    changed = [change(b"".join(frames))] if whole else [change(frame) for frame in frames]
    body = b"".join(changed)
    for chunks in (changed, [body[at : at + 1] for at in range(len(body))]):
        stream = trial.open(chunks)
        trial.expect("the text of each chunk", [trial.adapter.text(chunk) for chunk in await stream.read()], expected)
        trial.opened.remove(stream)


@case("iterator/framing/crlf", "Lines may end with CR LF.", source=WHATWG, wires=SSE)
async def crlf(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: frame.replace(b"\n", b"\r\n"))


@case("iterator/framing/cr", "Lines may end with CR alone.", source=WHATWG, wires=SSE)
async def cr(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: frame.replace(b"\n", b"\r"))


@case("iterator/framing/crlf-cut", "A CR LF that is split in two is one line end.", source=WHATWG, wires=SSE)
async def crlf_cut(trial: IteratorTrial) -> None:
    body = b"".join(trial.encode(ANSWER)).replace(b"\n", b"\r\n")
    stream = trial.open(split_at(body, *(at for at, byte in enumerate(body) if byte == 0x0A)))
    trial.expect("the text of all chunks", await stream.text(), ANSWER.text)


@case("iterator/framing/bom", "A BOM at the beginning is ignored.", source=WHATWG, wires=SSE)
async def bom(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda body: b"\xef\xbb\xbf" + body, whole=True)


@case("iterator/framing/comments", "Comments, such as heartbeats, are ignored.", source=WHATWG, wires=SSE)
async def comments(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: b": ping\n\n" + frame + b":\n\n: data: no\n\n")


@case("iterator/framing/no-space", "The space after the colon may be missing.", source=WHATWG, wires=SSE)
async def no_space(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: frame.replace(b"data: ", b"data:").replace(b"event: ", b"event:"))


@case("iterator/framing/several-data-lines", "Several data lines are one event.", source=WHATWG, wires=SSE)
async def several_data_lines(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: frame.replace(b"data: {", b"data: {\ndata: ", 1))


@case("iterator/framing/other-fields", "id, retry and unknown fields change nothing.", source=WHATWG, wires=SSE)
async def other_fields(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: b"id: 7\nretry: 100\nx-unknown: 1\nnothing\n" + frame)


@case(
    "iterator/framing/no-last-blank-line",
    "A last event without the blank line after it is not lost.",
    source="as servers send it; WHATWG HTML, 9.2.6, would drop the event",
    wires=SSE,
)
async def no_last_blank_line(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda body: body.rstrip(b"\r\n"), whole=True)


@case("iterator/framing/ndjson-crlf", "Lines may end with CR LF.", source=NDJSON_SPEC, wires=NDJSON)
async def ndjson_crlf(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: frame.replace(b"\n", b"\r\n"))


@case("iterator/framing/ndjson-blank-lines", "Empty lines are ignored.", source=NDJSON_SPEC, wires=NDJSON)
async def ndjson_blank_lines(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda frame: b"\n" + frame + b"\n\n")


@case(
    "iterator/framing/ndjson-no-last-line-end",
    "The last line may lack its line end.",
    source=NDJSON_SPEC,
    wires=NDJSON,
)
async def ndjson_no_last_line_end(trial: IteratorTrial) -> None:
    await reads_the_same(trial, lambda body: body.rstrip(b"\n"), whole=True)


@case(
    "iterator/framing/damaged-message",
    "A message whose checksum is wrong is an error, never text.",
    source="AWS event stream encoding: message CRC",
    wires=AWS,
)
async def damaged_message(trial: IteratorTrial) -> None:
    frames = trial.encode(ANSWER)
    at = len(frames) // 2
    damaged = bytearray(frames[at])
    damaged[len(damaged) // 2] ^= 1
    stream = trial.open([*frames[:at], bytes(damaged), *frames[at + 1 :]])
    await stream.failure()
