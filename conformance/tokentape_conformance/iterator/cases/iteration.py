"""Iteration: promise 4. Later loops and concurrent loops."""

from __future__ import annotations

import threading

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.iterator_trial import content_indexes, together
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


@case(
    "iterator/iteration/second-loop",
    "A second loop gives the same chunks again, and reads nothing.",
    source=CONTRACT,
    needs=["second_loop"],
)
async def second_loop(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    first = await stream.read()
    reads = stream.source.reads
    trial.expect("the chunks of the second loop", await stream.read(), first)
    trial.expect("reads of the source", stream.source.reads, reads)
    trial.expect("misuse of the source", stream.source.misuse, [])


@case(
    "iterator/iteration/second-loop-calls-nothing",
    "A second loop runs no callback and sends no event again.",
    source=CONTRACT,
    needs=["second_loop", "add_callback", "listen"],
)
async def second_loop_calls_nothing(trial: IteratorTrial) -> None:
    calls: list[object] = []
    events = trial.listen()
    stream = trial.stream(WORDS)
    stream.add_callback(calls.append)
    for _ in range(3):
        await stream.read()
    trial.expect("how often the callback ran in three loops", len(calls), 1)
    trial.expect("the events of three loops", [kind for kind, _ in events], ["completed"])


@case(
    "iterator/iteration/loop-after-a-failure",
    "A loop over a stream that failed gives what was received, and raises the same error again.",
    source=CONTRACT,
    needs=["second_loop"],
)
async def loop_after_a_failure(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    frames = [frame.data for frame in encoded[: content_indexes(encoded)[1] + 1]]
    stream = trial.open([*frames, OSError("the connection broke")])
    chunks, error = await stream.failure()
    again, same = await stream.failure()
    trial.expect("the chunks of the second loop", again, chunks)
    trial.expect("the type of its error", type(same), type(error))
    trial.expect("misuse of the source", stream.source.misuse, [])


@case(
    "iterator/iteration/loop-from-the-middle",
    "A loop that starts while another one runs begins at the first chunk.",
    source=CONTRACT,
    needs=["second_loop", "two_loops"],
)
async def loop_from_the_middle(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    loop = stream.chunks()
    first = [await anext(loop)]
    whole = await stream.read()
    rest = [chunk async for chunk in loop]
    trial.expect("the chunks of the loop that started first", first + rest, whole)
    trial.expect("the text of the other", stream.joined(whole), WORDS.text)


@case(
    "iterator/iteration/two-loops",
    "Two concurrent loops each see everything: neither takes chunks from the other.",
    source=CONTRACT,
    needs=["two_loops"],
)
async def two_loops(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    one, other = stream.chunks(), stream.chunks()
    seen: tuple[list[object], list[object]] = ([], [])
    open_loops = [(one, seen[0]), (other, seen[1])]
    while open_loops:
        for loop, got in list(open_loops):
            try:
                got.append(await anext(loop))
            except StopAsyncIteration:
                open_loops.remove((loop, got))
    trial.expect("the text that each loop saw", [stream.joined(got) for got in seen], [WORDS.text, WORDS.text])
    trial.expect("how often the source was started", stream.source.started, 1)


@case(
    "iterator/iteration/readers-at-once",
    "Concurrent readers, in threads or tasks, each see everything.",
    source=CONTRACT,
    needs=["two_loops"],
)
async def readers_at_once(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    seen: list[str] = []

    async def read() -> None:
        seen.append(await stream.text())

    def read_plainly() -> None:
        try:
            seen.append(stream.joined(iter(stream.stream)))
        except Exception as error:
            seen.append(repr(error))

    if trial.is_async:
        await together(read, read, read)
    else:
        threads = [threading.Thread(target=read_plainly, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    trial.expect("the text that each reader saw", seen, [WORDS.text] * 3)
    trial.expect("misuse of the source", stream.source.misuse, [])


@case(
    "iterator/iteration/sync-and-async-alike",
    "A plain loop and an async one give the same sequence.",
    source=CONTRACT,
    needs=["sync", "async"],
)
async def sync_and_async_alike(trial: IteratorTrial) -> None:
    frames = trial.encode(WORDS)
    asynchronous, plain = trial.open(frames), trial.open_plain(frames)
    text = trial.adapter.text
    expected = [text(chunk) for chunk in await plain.read()]
    trial.expect("the text of each chunk", [text(chunk) for chunk in await asynchronous.read()], expected)
