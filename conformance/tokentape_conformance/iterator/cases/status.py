"""Status: promise 5. A stream's status and output can be read at any time."""

from __future__ import annotations

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


@case("iterator/status/pending", "Pending until the first next.", source=CONTRACT, needs=["status"])
async def pending(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    trial.expect("the status before the loop", stream.status, "pending")
    await stream.read()


@case("iterator/status/streaming", "Streaming while chunks come.", source=CONTRACT, needs=["status"])
async def streaming(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    seen = [stream.status async for chunk in stream.chunks() if trial.adapter.text(chunk)]
    trial.expect("the status at each piece", seen, ["streaming"] * 3)


@case("iterator/status/complete", "Complete after the end.", source=CONTRACT, needs=["status"])
async def complete(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    await stream.read()
    trial.expect("the status after the loop", stream.status, "complete")


@case(
    "iterator/status/complete-for-listeners",
    "Complete when listeners and callbacks run.",
    source=CONTRACT,
    needs=["status", "listen", "add_callback"],
)
async def complete_for_listeners(trial: IteratorTrial) -> None:
    seen: list[str] = []
    stream = trial.stream(WORDS)
    trial.listen(lambda kind, event: seen.append(stream.status))
    stream.add_callback(lambda message: seen.append(stream.status))
    await stream.read()
    trial.expect("the status in the listener and in the callback", seen, ["complete", "complete"])


@case("iterator/status/failed", "Failed after an error.", source=CONTRACT, needs=["status"])
async def failed(trial: IteratorTrial) -> None:
    stream = trial.open([*trial.encode(WORDS)[:1], OSError("the connection broke")])
    await stream.failure()
    trial.expect("the status after the error", stream.status, "failed")


@case(
    "iterator/status/cancelled",
    "Cancelled after the reader left.",
    source=CONTRACT,
    needs=["status", "close"],
)
async def cancelled(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    await stream.until_text("one")
    await stream.close()
    trial.expect("the status after leaving", stream.status, "cancelled")


@case(
    "iterator/status/partial-output",
    "The output so far can be read at any time; it is exactly what was delivered.",
    source=CONTRACT,
    needs=["output", "messages", "message_text"],
)
async def partial_output(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS)
    received: list[object] = []
    async for chunk in stream.chunks():
        received.append(chunk)
        trial.expect("the text of the output so far", stream.output_text, stream.joined(received))
    trial.expect("the text of the whole output", stream.output_text, WORDS.text)


@case(
    "iterator/status/output-unread",
    "The output of an unread stream is empty, and reading the output consumes nothing.",
    source=CONTRACT,
    needs=["output", "messages", "message_text"],
)
async def output_unread(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    stream = trial.open([frame.data for frame in encoded])
    trial.expect("the text of the output before the loop", stream.output_text, "")
    trial.expect("the text of the loop", await stream.text(), WORDS.text)
    trial.expect("all frames with content were read", stream.source.reads >= content_indexes(encoded)[-1], True)
