"""Leaving: promise 6. However a reader leaves, the source is closed once, and nothing follows."""

from __future__ import annotations

import asyncio
import contextlib

from tokentape_conformance.iterator import IteratorTrial, OpenedStream, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, PYTHON
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_conformance.iterator.source import Pause
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


@case("iterator/leaving/break", "Leaving the loop, at any chunk, closes the source once.", source=PYTHON)
async def leave_by_break(trial: IteratorTrial) -> None:
    for text in ("one", "one two", WORDS.text):
        stream = trial.stream(WORDS)
        trial.expect("the text until then", stream.joined(await stream.until_text(text)), text)
        trial.expect_closed_once(stream)


@case("iterator/leaving/close", "close() closes the source once.", source=CONTRACT, needs=["close"])
async def leave_by_close(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    loop = stream.chunks()
    await anext(loop)
    await stream.close()
    trial.expect_closed_once(stream)
    await loop.aclose()
    trial.expect_closed_once(stream)


@case("iterator/leaving/close-twice", "Closing again does nothing.", source=CONTRACT, needs=["close"])
async def close_twice(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    await stream.until_text("one")
    for _ in range(3):
        await stream.close()
    trial.expect_closed_once(stream)


@case(
    "iterator/leaving/close-before-the-loop",
    "A stream that is closed before it is read closes its source, and reads nothing.",
    source=CONTRACT,
    needs=["close"],
)
async def close_before_the_loop(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    await stream.close()
    trial.expect_closed_once(stream)
    trial.expect("reads of the source", stream.source.reads, 0)


@case("iterator/leaving/with", "The end of a with block closes the source once.", source=PYTHON, needs=["with_block"])
async def leave_by_with(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    if trial.is_async:
        async with stream.stream:
            asynchronous = aiter(stream.stream)  # kept, because deleting a loop would close it
            await anext(asynchronous)
        trial.expect_closed_once(stream)
        await asynchronous.aclose()
    else:
        with stream.stream:
            plain = iter(stream.stream)
            next(plain)
        trial.expect_closed_once(stream)
        plain.close()
    trial.expect_closed_once(stream)


@case("iterator/leaving/exception", "An exception in the loop's body closes the source once.", source=PYTHON)
async def leave_by_exception(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    with contextlib.suppress(ZeroDivisionError):
        async with contextlib.aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                if trial.adapter.text(chunk):
                    raise ZeroDivisionError
    trial.expect_closed_once(stream)


@case(
    "iterator/leaving/cancelled-task",
    "A task that is cancelled while it waits for a chunk closes the source once, and stays cancelled.",
    source=PYTHON,
    needs=["async"],
)
async def cancelled_task(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    events = trial.listen() if trial.has("listen") else []
    stream = trial.open([*(frame.data for frame in encoded[: content_indexes(encoded)[1]]), Pause()])
    task = asyncio.ensure_future(stream.read())
    for _ in range(1000):
        if stream.source.waiting:
            break
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    else:
        trial.fail("the task", Prose("it ended normally"), Prose("it is cancelled"))
    trial.expect_closed_once(stream)
    trial.expect("the events", [kind for kind, _ in events], [])


@case("iterator/leaving/complete", "A stream that is read to its end closes its source once.", source=CONTRACT)
async def read_to_the_end(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    await stream.read()
    trial.expect_closed_once(stream)


@case(
    "iterator/leaving/no-event",
    "A stream that the reader left sends no event.",
    source=CONTRACT,
    needs=["listen", "close"],
)
async def no_event(trial: IteratorTrial) -> None:
    events = trial.listen()
    await _left_stream(trial)
    trial.expect("the events", [kind for kind, _ in events], [])


@case(
    "iterator/leaving/no-callback",
    "A stream that the reader left runs no callback.",
    source=CONTRACT,
    needs=["add_callback", "close"],
)
async def no_callback(trial: IteratorTrial) -> None:
    calls: list[object] = []
    stream = trial.stream(WORDS)
    stream.add_callback(calls.append)
    await stream.until_text("one two")
    await stream.close()
    trial.expect("calls of the callback", calls, [])


@case(
    "iterator/leaving/partial-output",
    "The output of a stream that the reader left is exactly what was delivered.",
    source=CONTRACT,
    needs=["output", "messages", "message_text", "close"],
)
async def partial_output(trial: IteratorTrial) -> None:
    stream = await _left_stream(trial)
    trial.expect("the text of the output", stream.output_text, "one two")


@case(
    "iterator/leaving/loop-afterwards",
    "A loop over a stream that the reader left yields what was received, and reads nothing more.",
    source=CONTRACT,
    needs=["second_loop", "close"],
)
async def loop_afterwards(trial: IteratorTrial) -> None:
    stream = await _left_stream(trial)
    reads = stream.source.reads
    trial.expect("the text of the second loop", await stream.text(), "one two")
    trial.expect("reads of the source", stream.source.reads, reads)
    trial.expect_closed_once(stream)


async def _left_stream(trial: IteratorTrial) -> OpenedStream:
    stream = trial.stream(WORDS)
    await stream.until_text("one two")
    await stream.close()
    return stream
