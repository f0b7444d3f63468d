"""Breaking: promise 7. A broken stream never looks complete."""

from __future__ import annotations

from collections.abc import Iterator

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.frame_edits import document
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_conformance.iterator.wires import NDJSON, SSE
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import Error, Text

WORDS = Text("one two three", pieces=("one", " two", " three"))


class BrokenConnectionError(OSError):
    """An error of a transport, of a type that no library knows."""


def cut_off(trial: IteratorTrial, pieces: int = 2) -> list[bytes]:
    """The frames up to and with this number of pieces of text."""
    encoded = trial.encoded_frames(WORDS)
    return [frame.data for frame in encoded[: content_indexes(encoded)[pieces - 1] + 1]]


@case(
    "iterator/breaking/source-error",
    "An error of the source reaches the reader, itself or as the cause of another.",
    source=CONTRACT,
)
async def source_error(trial: IteratorTrial) -> None:
    error = BrokenConnectionError("the connection broke")
    stream = trial.open([*cut_off(trial), error])
    chunks, raised = await stream.failure()
    trial.expect("the text before the error", stream.joined(chunks), "one two")
    trial.expect("the error is the source's, or has it as its cause", error in _causes(raised), True)


@case("iterator/breaking/source-closed", "A broken stream closes its source once.", source=CONTRACT)
async def source_closed(trial: IteratorTrial) -> None:
    for ending in ([BrokenConnectionError("the connection broke")], []):
        stream = trial.open([*cut_off(trial), *ending])
        await stream.failure()
        trial.expect_closed_once(stream)


@case("iterator/breaking/truncated", "A stream that ends before its terminal event is an error.", source=CONTRACT)
async def truncated(trial: IteratorTrial) -> None:
    stream = trial.open(cut_off(trial))
    chunks, _ = await stream.failure()
    trial.expect("the text before the error", stream.joined(chunks), "one two")


@case("iterator/breaking/every-ending", "A stream that is cut off after any frame is an error.", source=CONTRACT)
async def every_ending(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    for kept in range(content_indexes(encoded)[-1] + 2):
        stream = trial.open([frame.data for frame in encoded[:kept]])
        chunks, _ = await stream.failure()
        pieces = sum(number < kept for number in content_indexes(encoded))
        trial.expect(f"the text of {kept} frames", stream.joined(chunks), "".join(WORDS.pieces[:pieces]))
        trial.opened.remove(stream)


@case(
    "iterator/breaking/inside-an-event",
    "A stream that is cut off inside an event is an error, and no part of the event is text.",
    source=CONTRACT,
)
async def inside_an_event(trial: IteratorTrial) -> None:
    whole = cut_off(trial)
    for part in (1, len(whole[-1]) // 2, len(whole[-1]) * 3 // 4):
        stream = trial.open([*whole[:-1], whole[-1][:part]])
        chunks, _ = await stream.failure()
        trial.expect("the text before the error", stream.joined(chunks), "one")


@case("iterator/breaking/empty-body", "An empty body is an error, not an empty response.", source=CONTRACT)
async def empty_body(trial: IteratorTrial) -> None:
    trial.encode(WORDS)
    for frames in ([], [b""]):
        chunks, _ = await trial.open(frames).failure()
        trial.expect("the chunks", chunks, [])


@case(
    "iterator/breaking/failure-event",
    "A broken stream sends the failure signal once, and no completion event.",
    source=CONTRACT,
    needs=["listen"],
)
async def failure_event(trial: IteratorTrial) -> None:
    for ending in ([BrokenConnectionError("the connection broke")], []):
        events: list[str] = []
        with trial.adapter.listen(lambda kind, event, events=events: events.append(kind)):
            await trial.open([*cut_off(trial), *ending]).failure()
        trial.expect("the events", events, ["failed"])


@case(
    "iterator/breaking/failure-event-tells",
    "The failure signal has the error, the partial output and the thread id.",
    source=CONTRACT,
    needs=["listen", "event_fields", "thread_id", "messages", "message_text"],
)
async def failure_event_tells(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.open(cut_off(trial))
    _, error = await stream.failure()
    sent = [trial.adapter.event_fields(event) for kind, event in events if kind == "failed"]
    trial.expect("the number of failure signals", len(sent), 1)
    trial.expect("the error in it", sent[0]["error"], error)
    trial.expect("the thread id in it", sent[0]["thread_id"], trial.adapter.thread_id(stream.stream))
    output = trial.adapter.messages(sent[0]["output"])[0]
    trial.expect("the text in it", trial.adapter.message_text(output), "one two")


@case(
    "iterator/breaking/no-callback",
    "A broken stream runs no callback.",
    source=CONTRACT,
    needs=["add_callback"],
)
async def no_callback(trial: IteratorTrial) -> None:
    calls: list[object] = []
    stream = trial.open(cut_off(trial))
    stream.add_callback(calls.append)
    await stream.failure()
    trial.expect("calls of the callback", calls, [])


@case(
    "iterator/breaking/partial-output",
    "The output of a broken stream has what was received, and the error.",
    source=CONTRACT,
    needs=["output", "messages", "message_text", "output_error"],
)
async def partial_output(trial: IteratorTrial) -> None:
    stream = trial.open(cut_off(trial))
    _, error = await stream.failure()
    trial.expect("the text of the output", stream.output_text, "one two")
    trial.expect("the error of the output", trial.adapter.output_error(stream.output), error)


@case(
    "iterator/breaking/error-event",
    "An error event of the provider is raised, with its message, after the chunks before it.",
    source="the providers' API references: errors inside a stream",
)
async def error_event(trial: IteratorTrial) -> None:
    stream = trial.stream(WORDS, error=Error(status=503, message="The tide is out.", in_stream=True))
    chunks, error = await stream.failure()
    trial.expect("the text before the error", stream.joined(chunks), WORDS.text)
    if not any("The tide is out." in str(cause) for cause in _causes(error)):
        trial.fail("the error", error, Prose("one with the message 'The tide is out.'"))


@case(
    "iterator/breaking/damaged-event",
    "An event that is not JSON is an error, and the chunks before it are kept.",
    source=CONTRACT,
    wires=[*SSE, *NDJSON],
)
async def damaged_event(trial: IteratorTrial) -> None:
    frames = cut_off(trial)
    head, _, tail = frames[-1].rpartition(b"}")
    trial.expect("the frame has an event to damage", document(frames[-1]) is not None, True)
    stream = trial.open([*frames[:-1], head + tail, frames[-1]])
    chunks, _ = await stream.failure()
    trial.expect("the text before the error", stream.joined(chunks), "one")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
