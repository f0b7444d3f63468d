"""Filters: what readers are shown of a text, while it streams."""

from __future__ import annotations

from typing import Final

from tokentape_conformance.iterator import IteratorTrial, OpenedStream, case
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_fake_provider.script.model import Text

SOURCE: Final = "tokentape, docs/filters.md"
PHRASE: Final = "tok-abc9"
_BY: Final = "[gone]"


def _text_of(*pieces: str) -> Text:
    return Text("".join(pieces), pieces=pieces)


def _replacing(trial: IteratorTrial, stream: OpenedStream) -> OpenedStream:
    stream.stream = trial.adapter.replace(stream.stream, PHRASE, _BY)
    return stream


@case(
    "iterator/filters/across-chunks",
    "A phrase that is split over chunks is caught before any part of it is shown.",
    source=SOURCE,
    needs=["replace"],
)
async def across_chunks(trial: IteratorTrial) -> None:
    for pieces in ((PHRASE,), tuple(PHRASE), (PHRASE[:3], PHRASE[3:])):
        stream = _replacing(trial, trial.stream(_text_of("key ", *pieces, " end")))
        trial.expect("the text that is shown", stream.joined(await stream.read()), f"key {_BY} end")
        trial.expect("the text of the output", stream.output_text, f"key {_BY} end")


@case(
    "iterator/filters/no-match",
    "Without a match the text is unchanged, also where it begins like one.",
    source=SOURCE,
    needs=["replace"],
)
async def no_match(trial: IteratorTrial) -> None:
    pieces = ("one ", "tok-", "ab", " two", " tok-a")
    stream = _replacing(trial, trial.stream(_text_of(*pieces)))
    trial.expect("the text that is shown", stream.joined(await stream.read()), "".join(pieces))


@case(
    "iterator/filters/not-held",
    "Text that can't be the beginning of a match is shown at once.",
    source=SOURCE,
    needs=["replace"],
)
async def not_held(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(_text_of("one ", "two ", "six"))
    frames = [frame.data for frame in encoded]
    first = content_indexes(encoded)[0]
    stream = _replacing(trial, trial.open(frames))
    while (chunk := await stream.next()) is not None and not trial.adapter.text(chunk):
        pass
    trial.expect("the first text that is shown", "" if chunk is None else trial.adapter.text(chunk), "one ")
    trial.expect("reads of the source until then", stream.source.reads, first + 1)


@case(
    "iterator/filters/stop",
    "A phrase that stops the stream: a replacement is shown, the finish reason is content_filter, the source closes.",
    source=SOURCE,
    needs=["stop_at", "finish_reason"],
)
async def stop(trial: IteratorTrial) -> None:
    stream = trial.stream(_text_of("one ", "tok-", "abc9", " never", " shown"))
    stream.stream = trial.adapter.stop_at(stream.stream, PHRASE, "[stopped]")
    trial.expect("the text that is shown", stream.joined(await stream.read()), "one [stopped]")
    trial.expect("the finish reason", stream.finish_reason, "content_filter")
    trial.expect_closed_once(stream)


@case(
    "iterator/filters/unfiltered",
    "The output also has the text as the provider sent it.",
    source=SOURCE,
    needs=["replace", "unfiltered_output", "messages", "message_text"],
)
async def unfiltered(trial: IteratorTrial) -> None:
    stream = _replacing(trial, trial.stream(_text_of("key ", "tok-", "abc9")))
    await stream.read()
    (message, *_) = trial.adapter.messages(trial.adapter.unfiltered_output(stream.output))
    trial.expect("the text that the provider sent", trial.adapter.message_text(message), f"key {PHRASE}")


@case("iterator/filters/smooth", "Smoothed text is the same text.", source=SOURCE, needs=["smooth"])
async def smooth(trial: IteratorTrial) -> None:
    text = "three words burst, and\na few more"
    stream = trial.stream(_text_of(text[:20], text[20:]))
    stream.stream = trial.adapter.smooth(stream.stream)
    trial.expect("the text that is shown", stream.joined(await stream.read()), text)
