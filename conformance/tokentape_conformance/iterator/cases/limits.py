"""Limits: a stream that takes too long fails; a reader that takes its time does not make it fail."""

from __future__ import annotations

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_fake_provider import ControlledClock
from tokentape_fake_provider.script.model import Text

SOURCE = "tokentape, docs/iterator.md: time limits"
WORDS = Text("one two six", pieces=("one", " two", " six"))


@case(
    "iterator/limits/total",
    "A stream that is not complete in its total time fails, and closes its source.",
    source=SOURCE,
    needs=["limit_time"],
)
async def total(trial: IteratorTrial) -> None:
    clock = ControlledClock()
    stream = trial.stream(WORDS)
    stream.stream = trial.adapter.limit_time(stream.stream, clock, None, 5.0)
    await stream.next()
    clock.advance(6.0)
    _, error = await stream.failure()
    trial.expect("the error is a TimeoutError", isinstance(error, TimeoutError), True)
    trial.expect_closed_once(stream)


@case(
    "iterator/limits/slow-reader",
    "A reader that takes its time between chunks does not make a stream fail for lack of chunks.",
    source=SOURCE,
    needs=["limit_time"],
)
async def slow_reader(trial: IteratorTrial) -> None:
    clock = ControlledClock()
    stream = trial.stream(WORDS)
    stream.stream = trial.adapter.limit_time(stream.stream, clock, 5.0, None)
    chunks = []
    while (chunk := await stream.next()) is not None:
        chunks.append(chunk)
        clock.advance(6.0)
    trial.expect("the text", stream.joined(chunks), WORDS.text)
